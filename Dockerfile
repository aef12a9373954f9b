# Production dependencies only; the runtime of the image is the one the project is tested with (package.json, `node`).
FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:26-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json server.ts app.ts config.ts ./
COPY plugins ./plugins
COPY routes ./routes
COPY schemas ./schemas
COPY services ./services
COPY migrations ./migrations
USER node
EXPOSE 3000
# Node runs the TypeScript as it stands and gets the signals itself: run with --init where the platform has it.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "server.ts"]
