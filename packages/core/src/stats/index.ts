export {
  type Interpolation,
  median,
  type QuantileOptions,
  quantile,
  type RankOptions,
  rank,
} from './order.js'
export { count, gmean, mean, prod, sum } from './sums.js'
export type { RecalcOptions, WeightOptions, WindowOptions } from './windowed.js'
