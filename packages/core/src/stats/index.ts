export { crossSectional, first, last, type UniqueOptions, unique } from './content.js'
export { type CorrOptions, type CovOptions, corr, cov } from './covariance.js'
export type { Decay, EmaOptions } from './decay.js'
export { ema } from './ema.js'
export { type EmaCovOptions, emaCov, emaStd, emaVar } from './ema-covariance.js'
export { type ArgOptions, argmax, argmin, max, min } from './extremes.js'
export { corrMatrix, covMatrix, type Matrix } from './matrices.js'
export {
  type KurtOptions,
  kurt,
  type SkewOptions,
  sem,
  skew,
  stddev,
  type VarianceOptions,
  variance,
} from './moments.js'
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
