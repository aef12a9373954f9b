/**
 * For what VAPI refuses an answer to an assistant-request, as far as it is known: it checks against a list of
 * properties, words and limits, and one that it does not like ends the call.
 */
type Json = Record<string, unknown>

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

const KNOWN: Record<string, readonly string[]> = {
  answer: ['assistant', 'destination', 'error'],
  assistant: [
    ...[
      'name',
      'firstMessage',
      'model',
      'voice',
      'transcriber',
      'server',
      'serverMessages',
      'endCallPhrases',
    ],
    ...['maxDurationSeconds', 'analysisPlan', 'artifactPlan', 'metadata'],
  ],
  model: ['provider', 'model', 'temperature', 'messages', 'tools'],
  tool: ['type', 'function', 'messages'],
  transferCall: ['type', 'destinations'],
  endCall: ['type'],
  mcp: ['type', 'server', 'metadata'],
  mcpServer: ['url', 'headers', 'timeoutSeconds', 'credentialId'],
  function: ['name', 'description', 'parameters'],
  schema: ['type', 'items', 'properties', 'description', 'pattern', 'format', 'required', 'enum', 'title'],
  toolMessage: ['type', 'content'],
  voice: ['provider', 'voiceId'],
  transcriber: ['provider', 'model', 'language'],
  server: ['url', 'headers', 'timeoutSeconds', 'credentialId', 'backoffPlan'],
  backoffPlan: ['type', 'maxRetries', 'baseDelaySeconds'],
  analysisPlan: ['summaryPlan', 'structuredDataPlan'],
  plan: ['enabled', 'schema', 'timeoutSeconds'],
  artifactPlan: ['recordingEnabled'],
  destination: ['type', 'number', 'message'],
}

const SERVER_MESSAGES = new Set([
  ...['status-update', 'end-of-call-report', 'tool-calls', 'transfer-update', 'hang'],
  'transfer-destination-request',
])
const SCHEMA_TYPES = ['string', 'number', 'integer', 'boolean', 'array', 'object']

/** Reasons, each with the property at fault; none: VAPI takes it. */
export function refusals(answer: unknown): string[] {
  const found: string[] = []
  const say = (ok: unknown, what: string) => {
    if (!ok) found.push(what)
  }
  function open(kind: string, value: unknown, at: string): Json {
    if (!isRecord(value)) {
      found.push(`${at} must be an object`)
      return {}
    }
    for (const name of Object.keys(value))
      say(KNOWN[kind]?.includes(name), `${at}.property ${name} should not exist`)
    return value
  }
  const text = (value: unknown, at: string, min = 1, max = Number.POSITIVE_INFINITY) =>
    say(
      typeof value === 'string' && value.length >= min && value.length <= max,
      `${at}: text, ${min} to ${max}`,
    )
  const within = (value: unknown, at: string, min: number, max: number) =>
    say(typeof value === 'number' && value >= min && value <= max, `${at}: ${min} to ${max}`)

  function schema(value: unknown, at: string) {
    const { type, properties, items, required } = open('schema', value, at)
    say(SCHEMA_TYPES.includes(String(type)), `${at}.type`)
    for (const [name, inner] of Object.entries((properties ?? {}) as Json)) schema(inner, `${at}.${name}`)
    if (items !== undefined) schema(items, `${at}.items`)
    for (const name of list(required))
      say(isRecord(properties) && Object.hasOwn(properties, String(name)), `${at}.required ${name}`)
  }

  /** VAPI's own tools, which act on the call or lead to a server of tools. */
  function builtIn(value: Json, at: string) {
    const type = String(value.type)
    say(['transferCall', 'endCall', 'mcp'].includes(type), `${at}.type`)
    const { destinations, server } = open(type, value, at)
    if (type === 'transferCall') {
      say(list(destinations).length > 0, `${at}.destinations`)
      for (const each of list(destinations)) {
        const { type: kind, number, message } = open('destination', each, `${at}.destinations`)
        say(kind === 'number', `${at}.destinations.type`)
        say(/^\+[1-9]\d{6,14}$/.test(String(number)), `${at}.destinations.number`)
        text(message, `${at}.destinations.message`, 1, 1_000)
      }
    }
    if (type === 'mcp') {
      const { url, headers } = open('mcpServer', server, `${at}.server`)
      say(URL.parse(String(url))?.protocol === 'https:', `${at}.server.url`)
      for (const each of Object.values((headers ?? {}) as Json)) text(each, `${at}.server.headers`)
    }
  }

  function tool(value: unknown, at: string, names: Set<unknown>) {
    if (isRecord(value) && value.type !== 'function') return builtIn(value, at)
    const { type, function: fn, messages } = open('tool', value, at)
    say(type === 'function', `${at}.type`)
    const { name, description, parameters } = open('function', fn, `${at}.function`)
    say(/^[a-zA-Z0-9_-]{1,64}$/.test(String(name)), `${at}.function.name`)
    say(!names.has(name), `${at}.function.name is used twice`)
    names.add(name)
    text(description, `${at}.function.description`, 1, 1_000)
    say(
      isRecord(parameters) && parameters.type === 'object' && isRecord(parameters.properties),
      `${at}.parameters`,
    )
    schema(parameters, `${at}.parameters`)
    for (const message of list(messages)) {
      const { type, content } = open('toolMessage', message, `${at}.messages`)
      say(type === 'request-start', `${at}.messages.type`)
      text(content, `${at}.messages.content`, 1, 1_000)
    }
  }

  function assistant(value: unknown) {
    const it = open('assistant', value, 'assistant')
    text(it.name, 'assistant.name', 1, 40)
    text(it.firstMessage, 'assistant.firstMessage', 1, 1_000)
    say(String(it.firstMessage).trim(), 'assistant.firstMessage is blank')

    const model = open('model', it.model, 'assistant.model')
    say(['openai', 'anthropic', 'google'].includes(String(model.provider)), 'assistant.model.provider')
    text(model.model, 'assistant.model.model')
    if (model.temperature !== undefined) within(model.temperature, 'assistant.model.temperature', 0, 2)
    say(list(model.messages).length === 1, 'assistant.model.messages')
    const names = new Set()
    for (const [n, each] of list(model.tools).entries()) tool(each, `assistant.model.tools[${n}]`, names)

    const voice = open('voice', it.voice, 'assistant.voice')
    say(['vapi', '11labs'].includes(String(voice.provider)), 'assistant.voice.provider')
    text(voice.voiceId, 'assistant.voice.voiceId')
    open('transcriber', it.transcriber, 'assistant.transcriber')

    const server = open('server', it.server, 'assistant.server')
    say(URL.parse(String(server.url))?.protocol === 'https:', 'assistant.server.url')
    for (const each of Object.values((server.headers ?? {}) as Json)) text(each, 'assistant.server.headers')
    within(server.timeoutSeconds, 'assistant.server.timeoutSeconds', 1, 300)
    const plan = open('backoffPlan', server.backoffPlan, 'assistant.server.backoffPlan')
    say(['fixed', 'exponential'].includes(String(plan.type)), 'assistant.server.backoffPlan.type')
    within(plan.maxRetries, 'assistant.server.backoffPlan.maxRetries', 0, 10)
    within(plan.baseDelaySeconds, 'assistant.server.backoffPlan.baseDelaySeconds', 0, 10)
    const messages = list(it.serverMessages)
    say(messages.length > 0 && new Set(messages).size === messages.length, 'assistant.serverMessages')
    for (const each of messages) say(SERVER_MESSAGES.has(String(each)), `assistant.serverMessages ${each}`)

    for (const phrase of list(it.endCallPhrases)) text(phrase, 'assistant.endCallPhrases', 2, 140)
    within(it.maxDurationSeconds, 'assistant.maxDurationSeconds', 10, 43_200)
    const analysis = open('analysisPlan', it.analysisPlan, 'assistant.analysisPlan')
    for (const [name, each] of Object.entries(analysis)) {
      const { timeoutSeconds, schema: wanted } = open('plan', each, `assistant.analysisPlan.${name}`)
      within(timeoutSeconds, `assistant.analysisPlan.${name}.timeoutSeconds`, 1, 60)
      if (wanted !== undefined) schema(wanted, `assistant.analysisPlan.${name}.schema`)
    }
    const artifact = open('artifactPlan', it.artifactPlan, 'assistant.artifactPlan')
    say(typeof artifact.recordingEnabled === 'boolean', 'assistant.artifactPlan.recordingEnabled')
    say(isRecord(it.metadata), 'assistant.metadata')
  }

  const given = open('answer', answer, 'answer')
  say(Object.keys(given).length === 1, 'answer: exactly one of assistant, destination, error')
  if ('assistant' in given) assistant(given.assistant)
  if ('error' in given) text(given.error, 'error')
  if ('destination' in given) {
    const { type, number, message } = open('destination', given.destination, 'destination')
    say(type === 'number', 'destination.type')
    say(/^\+[1-9]\d{6,14}$/.test(String(number)), 'destination.number')
    say(typeof message === 'string', 'destination.message')
  }
  return found
}
