# The broker. Build: docker build -t lockstep-broker .   Run it: broker/README.md, Running it.
FROM node:24-trixie-slim AS packages
WORKDIR /opt/lockstep
COPY package.json package-lock.json .npmrc ./
# The image brings Node 24, so that the one among the optional packages stays out.
RUN npm ci --omit=dev --omit=optional

FROM node:24-trixie-slim
ENV NODE_ENV=production
WORKDIR /opt/lockstep
COPY --from=packages /opt/lockstep/node_modules node_modules
COPY package.json LICENSE ./
COPY keys-pipeline keys-pipeline
COPY broker broker
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8443
# No shell stands between: signals reach the broker, which answers what is under way before it ends.
ENTRYPOINT ["node", "broker/main.ts"]
CMD ["--config", "/etc/lockstep/broker.yaml"]
