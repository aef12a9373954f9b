import type { LANGUAGES } from '../../schemas/client.ts'
import { cutText } from '../text.ts'

type Language = (typeof LANGUAGES)[number]

/** What is said before the language model has a say, in each language a client may choose. */
interface Phrases {
  /** Name of the language, for the prompt. */
  language: string
  greeting: (business: string) => string
  /** Said first where the call is recorded: who is speaking, that it is recorded, and why. */
  notice: string
  /** Said first where the caller is asked: who is speaking, and whether the call may be recorded, and why. */
  ask: string
  closed: (business: string) => string
  /** Said while a tool works, so that the line is not silent. */
  hold: string
  /** Said before a call is handed to a human. */
  transfer: string
  /** Said where there is no human to hand it to. */
  nobody: string
  /** Matched in what the assistant says, to hang up; 2 to 140 characters each. */
  endCall: string[]
}

/** A name so long that it would crowd out the rest of the sentence is a mistake. */
const SPOKEN_NAME_MAX = 200

/** A business's name as it is put into a phrase. */
export const spoken = (name: string) => cutText(name, SPOKEN_NAME_MAX)

export const PHRASES: Readonly<Record<Language, Phrases>> = {
  en: {
    language: 'English',
    greeting: (business) => `Thank you for calling${business && ` ${business}`}. How can I help you today?`,
    notice: 'This call is answered by an AI assistant and recorded to note your request.',
    ask: 'This call is answered by an AI assistant. May it be recorded to note your request?',
    closed: (business) =>
      `Thank you for calling${business && ` ${business}`}. We cannot take calls on this number right now. Goodbye.`,
    hold: 'One moment, please.',
    transfer: 'I am connecting you now.',
    nobody: 'Nobody can take the call right now. May I take a message?',
    endCall: ['goodbye', 'have a great day'],
  },
  es: {
    language: 'Spanish',
    greeting: (business) => `Gracias por llamar${business && ` a ${business}`}. ¿En qué puedo ayudarle?`,
    notice:
      'Esta llamada la atiende un asistente de inteligencia artificial y se graba para anotar su solicitud.',
    ask: 'Esta llamada la atiende un asistente de inteligencia artificial. ¿Podemos grabarla para anotar su solicitud?',
    closed: (business) =>
      `Gracias por llamar${business && ` a ${business}`}. Ahora mismo no podemos atender llamadas en este número. Adiós.`,
    hold: 'Un momento, por favor.',
    transfer: 'Le comunico ahora.',
    nobody: 'En este momento nadie puede atender la llamada. ¿Quiere dejar un mensaje?',
    endCall: ['adiós', 'que tenga un buen día'],
  },
  fr: {
    language: 'French',
    greeting: (business) => `Merci d'avoir appelé${business && ` ${business}`}. Comment puis-je vous aider ?`,
    notice: 'Un assistant virtuel vous répond et cet appel est enregistré pour noter votre demande.',
    ask: 'Un assistant virtuel vous répond. Cet appel peut-il être enregistré pour noter votre demande ?',
    closed: (business) =>
      `Merci d'avoir appelé${business && ` ${business}`}. Nous ne pouvons pas prendre d'appels sur ce numéro pour le moment. Au revoir.`,
    hold: 'Un instant, je vous prie.',
    transfer: 'Je vous mets en relation.',
    nobody: 'Personne ne peut prendre votre appel pour le moment. Souhaitez-vous laisser un message ?',
    endCall: ['au revoir', 'bonne journée'],
  },
  de: {
    language: 'German',
    greeting: (business) =>
      `Vielen Dank für Ihren Anruf${business && ` bei ${business}`}. Wie kann ich Ihnen helfen?`,
    notice:
      'Diesen Anruf nimmt ein KI-Assistent entgegen; er wird aufgezeichnet, um Ihr Anliegen festzuhalten.',
    ask: 'Diesen Anruf nimmt ein KI-Assistent entgegen. Darf er aufgezeichnet werden, um Ihr Anliegen festzuhalten?',
    closed: (business) =>
      `Vielen Dank für Ihren Anruf${business && ` bei ${business}`}. Unter dieser Nummer können wir gerade keine Anrufe annehmen. Auf Wiederhören.`,
    hold: 'Einen Moment, bitte.',
    transfer: 'Ich verbinde Sie.',
    nobody: 'Im Moment kann niemand den Anruf annehmen. Möchten Sie eine Nachricht hinterlassen?',
    endCall: ['auf wiederhören', 'schönen tag noch'],
  },
  it: {
    language: 'Italian',
    greeting: (business) => `Grazie per aver chiamato${business && ` ${business}`}. Come posso aiutarla?`,
    notice:
      'A questa chiamata risponde un assistente di intelligenza artificiale e viene registrata per annotare la sua richiesta.',
    ask: 'A questa chiamata risponde un assistente di intelligenza artificiale. Possiamo registrarla per annotare la sua richiesta?',
    closed: (business) =>
      `Grazie per aver chiamato${business && ` ${business}`}. In questo momento non possiamo rispondere a questo numero. Arrivederci.`,
    hold: 'Un momento, per favore.',
    transfer: 'La metto in contatto.',
    nobody: 'In questo momento nessuno può rispondere. Vuole lasciare un messaggio?',
    endCall: ['arrivederci', 'buona giornata'],
  },
  pt: {
    language: 'Portuguese',
    greeting: (business) => `Obrigado por ligar${business && ` para ${business}`}. Como posso ajudar?`,
    notice:
      'Esta chamada é atendida por um assistente de inteligência artificial e gravada para anotar o seu pedido.',
    ask: 'Esta chamada é atendida por um assistente de inteligência artificial. Podemos gravá-la para anotar o seu pedido?',
    closed: (business) =>
      `Obrigado por ligar${business && ` para ${business}`}. Neste momento não podemos atender chamadas neste número. Até logo.`,
    hold: 'Um momento, por favor.',
    transfer: 'Vou transferir a sua chamada.',
    nobody: 'Neste momento ninguém pode atender. Quer deixar uma mensagem?',
    endCall: ['até logo', 'tenha um bom dia'],
  },
  nl: {
    language: 'Dutch',
    greeting: (business) =>
      `Bedankt voor het bellen${business && ` naar ${business}`}. Waarmee kan ik u helpen?`,
    notice: 'Dit gesprek wordt beantwoord door een AI-assistent en opgenomen om uw vraag te noteren.',
    ask: 'Dit gesprek wordt beantwoord door een AI-assistent. Mag het worden opgenomen om uw vraag te noteren?',
    closed: (business) =>
      `Bedankt voor het bellen${business && ` naar ${business}`}. We kunnen op dit nummer nu geen gesprekken aannemen. Tot ziens.`,
    hold: 'Een ogenblik, alstublieft.',
    transfer: 'Ik verbind u door.',
    nobody: 'Er kan nu niemand opnemen. Wilt u een bericht achterlaten?',
    endCall: ['tot ziens', 'fijne dag'],
  },
}
