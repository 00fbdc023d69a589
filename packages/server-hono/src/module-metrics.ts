import type { Module, ModuleMetric } from '@gw/channels'
import { Counter, Gauge, type Registry } from 'prom-client'

/** Puts what modules tell of themselves into a registry. */
export function registerModuleMetrics(modules: readonly Module<never>[], registry: Registry): void {
  const byName = new Map<string, { readonly module: string; readonly metric: ModuleMetric }[]>()
  for (const module of modules) {
    for (const metric of module.metrics?.() ?? []) {
      const same = byName.get(metric.name)
      if (same === undefined) byName.set(metric.name, [{ module: module.name, metric }])
      else same.push({ module: module.name, metric })
    }
  }
  for (const [name, metrics] of byName) {
    const [{ metric }] = metrics as [(typeof metrics)[number]]
    const settings = {
      name,
      help: metric.help,
      labelNames: ['module', ...Object.keys(metric.labels ?? {})],
      registers: [registry],
    }
    const labelsOf = (one: (typeof metrics)[number]): Record<string, string> => ({
      module: one.module,
      ...one.metric.labels,
    })
    if (metric.kind === 'gauge') {
      new Gauge({
        ...settings,
        collect() {
          for (const one of metrics) this.set(labelsOf(one), one.metric.value())
        },
      })
    } else {
      new Counter({
        ...settings,
        collect() {
          this.reset()
          for (const one of metrics) this.inc(labelsOf(one), one.metric.value())
        },
      })
    }
  }
}
