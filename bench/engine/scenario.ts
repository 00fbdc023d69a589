// One scenario, named by the argument, in a process of its own: prints the rates of its sides as JSON.
import { measure } from '../measure.js'
import { scenarios } from './scenarios.js'

const name = process.argv[2]
const scenario = scenarios.find((each) => each.name === name)
if (scenario === undefined) throw new Error(`there is no scenario ${name}`)
console.log(JSON.stringify(measure(scenario, { sampleMs: 250, rounds: 5 })))
