# The broker. Build: docker build -t lockstep-broker .   Run it: broker/README.md, Running it.
# With what reaches a PKCS#11 token: docker build --target pkcs11 -t lockstep-broker .
FROM node:24-trixie-slim AS packages
WORKDIR /opt/lockstep
COPY package.json package-lock.json .npmrc ./
# The image brings Node 24, so that the one among the optional packages stays out.
RUN npm ci --omit=dev --omit=optional

FROM node:24-trixie-slim AS broker
ENV NODE_ENV=production
WORKDIR /opt/lockstep
COPY --from=packages /opt/lockstep/node_modules node_modules
COPY package.json LICENSE ./
COPY keys-pipeline keys-pipeline
COPY broker broker
# What Node compiles is kept here, since the broker may write nothing: it starts sooner, and is smaller.
ENV NODE_COMPILE_CACHE=/opt/lockstep/node_modules/.cache/compiled
RUN node broker/main.ts --help
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8443
# No shell stands between: signals reach the broker, which answers what is under way before it ends.
ENTRYPOINT ["node", "broker/main.ts"]
CMD ["--config", "/etc/lockstep/broker.yaml"]

# It is compiled against the headers of the image's own Node.
FROM node:24-trixie-slim AS compiled
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3
WORKDIR /opt/pkcs11
COPY broker/pkcs11/package.json broker/pkcs11/package-lock.json broker/pkcs11/.npmrc ./
RUN npm_config_nodedir=/usr/local npm ci

FROM broker AS pkcs11
COPY --from=compiled /opt/pkcs11/node_modules broker/pkcs11/node_modules

# What is built when no target is named.
FROM broker
