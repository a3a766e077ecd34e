import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context, Span } from '@opentelemetry/api'
import type { Audit, AuditRecord } from './audit.ts'
import { asBrokerError, ERRORS } from './errors.ts'
import type { TracesConfig } from './traces-config.ts'
import type { Exchange } from './upstream/exchange.ts'

/** Requests told to a collector as spans, by standing between two rooms; none of it changes what passes. */
export interface Traces {
  /** The work that answers one request, under the trace of its caller where it has one (W3C Trace Context). */
  around: <T>(
    action: AuditRecord['action'],
    traceparent: string | undefined,
    work: () => Promise<T>,
  ) => Promise<T>
  /** What was decided goes from the record into the span. */
  watchAudit: (audit: Audit) => Audit
  /** Each attempt at an EHR is a span of its own, under the request that caused it. */
  watchExchange: (exchange: Exchange) => Exchange
  /** Sends what is left, for two seconds at the most. */
  close: () => Promise<void>
}

/** Without a collector nothing is done. */
export const NO_TRACES: Traces = {
  around: (_, __, work) => work(),
  watchAudit: audit => audit,
  watchExchange: exchange => exchange,
  close: async () => {},
}

/** Spans that wait for the collector; what comes beyond is dropped. */
const MOST_WAITING = 2048
/** Milliseconds that one delivery may take, and that the last one may. */
const DELIVERY = 5_000
const LAST_DELIVERY = 2_000

export interface TracesPorts {
  /** Told once for each time that the collector begins to fail. */
  onFailing: () => void
}

/**
 * The packages are loaded here, so that a broker without a collector neither waits for them nor keeps them. Nothing
 * that is secret goes into a span: the attributes are those of the audit, without tokens, and EHRs are sent no header.
 */
export async function openTraces(
  { endpoint, headers, ca, sampleRatio }: TracesConfig,
  { onFailing }: TracesPorts,
): Promise<Traces> {
  const [api, core, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/core'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const otlp = new OTLPTraceExporter({
    ...{ url: endpoint, headers: { ...headers }, timeoutMillis: DELIVERY, concurrencyLimit: 2 },
    ...(ca !== null && { httpAgentOptions: { ca } }),
  })
  let fails = false
  const exporter: typeof otlp = Object.assign(Object.create(otlp), {
    export: (...[spans, done]: Parameters<typeof otlp.export>) =>
      otlp.export(spans, result => {
        if (result.code !== core.ExportResultCode.SUCCESS && !fails) onFailing()
        fails = result.code !== core.ExportResultCode.SUCCESS
        done(result)
      }),
  })
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'lockstep-broker' }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        ...{ exporter, maxQueueSize: MOST_WAITING, exportTimeoutMillis: DELIVERY },
      }),
    ],
  })
  const tracer = provider.getTracer('lockstep-broker')
  const { SpanKind, ROOT_CONTEXT, trace } = api
  const current = new AsyncLocalStorage<{ span: Span; context: Context }>()
  const caller = new core.W3CTraceContextPropagator()
  const contextOf = (traceparent: string | undefined): Context =>
    traceparent === undefined
      ? ROOT_CONTEXT
      : caller.extract(ROOT_CONTEXT, { traceparent }, api.defaultTextMapGetter)
  const failed = (span: Span, code: string): void => {
    span.setStatus({ code: api.SpanStatusCode.ERROR, message: code })
  }
  return {
    around: (action, traceparent, work) => {
      const parent = contextOf(traceparent)
      const span = tracer.startSpan(action, { kind: SpanKind.SERVER }, parent)
      const context = trace.setSpan(parent, span)
      return current.run({ span, context }, () => work().finally(() => span.end()))
    },
    watchAudit: audit => ({
      ...audit,
      record: record => {
        const span = current.getStore()?.span
        span?.setAttributes(attributesOf(record))
        if (span && record.code !== null && isOurs(record.code)) failed(span, record.code)
        return audit.record(record)
      },
    }),
    watchExchange:
      exchange =>
      async (...call) => {
        const [{ id }] = call
        const span = tracer.startSpan(
          'exchange',
          { kind: SpanKind.CLIENT, attributes: { 'lockstep.upstream': id } },
          current.getStore()?.context ?? ROOT_CONTEXT,
        )
        try {
          const token = await exchange(...call)
          span.setAttributes({ 'lockstep.outcome': 'granted', 'lockstep.kid': token.kid })
          return token
        } catch (error) {
          const { code } = asBrokerError(error)
          span.setAttributes({ 'lockstep.outcome': code })
          failed(span, code)
          throw error
        } finally {
          span.end()
        }
      },
    close: async () => {
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, LAST_DELIVERY)
      await Promise.race([provider.shutdown().catch(() => {}), late.promise])
      clearTimeout(timer)
    },
  }
}

/** Whether a refusal is a fault of the EHR or of ours; what a caller may not have is no fault. */
function isOurs(code: string): boolean {
  const blame = Object.hasOwn(ERRORS, code) && ERRORS[code as keyof typeof ERRORS].blame
  return blame === 'upstream' || blame === 'us'
}

function attributesOf(record: AuditRecord): Record<string, string> {
  const { request, service, method, upstream, decision, code, tolerated, granted } = record
  const told = {
    ...{ request, service, method, upstream, outcome: code ?? decision, tolerated },
    ...(granted && { source: granted.source, kid: granted.kid }),
  }
  return Object.fromEntries(
    Object.entries(told).flatMap(([name, value]) =>
      value === null || value === undefined ? [] : [[`lockstep.${name}`, value]],
    ),
  )
}
