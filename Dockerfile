# cairn in a container: docker build --tag cairn-transfer .
# What the server is told stands in the environment: CAIRN_SERVE_<OPTION> for each of its options (docs/install.md).

ARG NODE_IMAGE=node:24.22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# What npm would publish, installed as a user would: nothing of the sources or of the tools comes along.
RUN npm pack --silent --pack-destination /tmp \
    && npm install --global --prefix /opt/cairn --ignore-scripts --no-audit --no-fund /tmp/cairn-transfer-*.tgz

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="cairn" \
      org.opencontainers.image.description="Resumable file transfer that never loses its place" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/cairn /opt/cairn
# The user `node` of the image has the number 1000. New volumes take owner and mode from these directories.
RUN ln -s /opt/cairn/bin/cairn /usr/local/bin/cairn \
    && install --directory --owner=node --group=node --mode=0700 /srv/files /var/lib/cairn
ENV CAIRN_ROOT=/srv/files \
    CAIRN_STATE=/var/lib/cairn/server \
    CAIRN_SERVE_LISTEN=0.0.0.0:7070 \
    CAIRN_SERVE_METRICS_LISTEN=127.0.0.1:7071 \
    CAIRN_STATE_HOME=/var/lib/cairn/client
VOLUME ["/srv/files", "/var/lib/cairn"]
EXPOSE 7070
USER 1000:1000
WORKDIR /srv/files
# The server ends in order within 8 seconds of this; Docker waits for 10.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["node", "-e", "require('node:http').get('http://127.0.0.1:7071/healthz', ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["cairn"]
CMD ["serve"]
