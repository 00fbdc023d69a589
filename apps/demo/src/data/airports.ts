import { readFileSync } from 'node:fs'
import { DataFileError } from './data-file-error.js'
import { dataFile } from './vega-datasets.js'

/** An airport, by its three-letter code. */
export interface Airport {
  readonly name: string
  readonly city: string
  readonly state: string
  readonly latitude: number
  readonly longitude: number
}

const AIRPORTS_FILE = dataFile('airports.csv')
const COLUMNS = 'iata,name,city,state,country,latitude,longitude'

/** Reads the airports of `vega-datasets`. @throws DataFileError when the file is missing or has other columns. */
export function readAirports(path: string = AIRPORTS_FILE): ReadonlyMap<string, Airport> {
  try {
    const [header, ...lines] = readFileSync(path, 'utf8').trimEnd().split(/\r?\n/)
    if (header !== COLUMNS) throw new Error(`its columns are not ${COLUMNS}`)
    return new Map(
      lines.map((line) => {
        const [iata = '', name = '', city = '', state = '', , latitude, longitude] = fieldsOf(line)
        return [
          iata,
          { name, city, state, latitude: Number(latitude), longitude: Number(longitude) },
        ]
      }),
    )
  } catch (error) {
    throw new DataFileError(path, error)
  }
}

/** The fields of a CSV line; a quoted field may hold commas and doubled quotes. */
function fieldsOf(line: string): string[] {
  return Array.from(line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain as string) : quoted.replaceAll('""', '"'),
  )
}
