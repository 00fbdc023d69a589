export { crossSectional, first, last, type UniqueOptions, unique } from './content.js'
export { type CorrOptions, type CovOptions, corr, cov } from './covariance.js'
export {
  type Decay,
  type EmaCovOptions,
  type EmaOptions,
  ema,
  emaCov,
  emaStd,
  emaVar,
} from './ema.js'
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
