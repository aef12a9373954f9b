# The runtime of the image is the one the project is tested with (package.json, `node`).
FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY server.ts app.ts config.ts ./
COPY plugins ./plugins
COPY routes ./routes
COPY schemas ./schemas
COPY services ./services
COPY migrations ./migrations
COPY scripts ./scripts
# All that runs, with the production dependencies it uses and no others, as a few files in dist/.
RUN node scripts/build.ts
# What Node makes of these files, so that no start does it again. Portable: another user may read it. It is held against
# the files, this Node and this processor; what does not fit is not used.
RUN NODE_COMPILE_CACHE=/app/.compile-cache NODE_COMPILE_CACHE_PORTABLE=1 node --eval "import('./dist/app.js')" \
  && chmod -R a+rX .compile-cache

FROM node:26-slim
LABEL org.opencontainers.image.title="1000x Agent" org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compile-cache NODE_COMPILE_CACHE_PORTABLE=1
# For a container of 512 MB. With much memory to take, V8 lets garbage pile up before it collects any. Beside its own
# choice of 16 MB, this young generation spares some 30 MB and costs up to a tenth of the speed.
ENV NODE_OPTIONS="--max-old-space-size=320 --max-semi-space-size=4"
# What one thread frees, another uses again: one arena for all, where glibc makes some for each thread. 12 MB less, and
# no time lost: almost all is asked for by one thread.
ENV MALLOC_ARENA_MAX=1
WORKDIR /app
# All of it belongs to root and is only read: the file system may be read-only.
COPY --from=build /app/package.json ./
COPY --from=build /app/migrations ./migrations
COPY --from=build /app/dist ./dist
COPY --from=build /app/.compile-cache ./.compile-cache
# Files for browsers, which /docs gives out.
COPY --from=build /app/node_modules/@fastify/swagger-ui/package.json ./node_modules/@fastify/swagger-ui/
COPY --from=build /app/node_modules/@fastify/swagger-ui/static ./node_modules/@fastify/swagger-ui/static
USER node
EXPOSE 3000
# Node gets the signals itself. Run it with --init all the same: what ends inside the container, such as a health check
# that was cut off, is then collected. For operators: docker exec … node dist/clients.js list
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/server.js"]
