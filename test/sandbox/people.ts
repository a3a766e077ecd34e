/** Somebody who can sign in at the local Epic. */
export interface Person {
  /** What is typed at the sign-in, with the password below. */
  name: string
  display: string
  /** Relative to the FHIR base, as fhirUser has it after it. */
  resource: `${'Patient' | 'Practitioner'}/${string}`
  /** FHIR IDs of the patients whose records they may open. */
  patients: readonly string[]
}

/** It opens nothing but records that are made up. */
export const PASSWORD = 'sandbox'

/** FHIR resources by type and ID. */
export const RECORDS: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  Patient: {
    erXuFYUfucBZaryVksYEcMg3: {
      name: [{ family: 'Lopez', given: ['Camila'] }],
      birthDate: '1987-09-12',
    },
    eq081: { name: [{ family: 'Lin', given: ['Derrick'] }], birthDate: '1973-06-03' },
  },
  Practitioner: {
    eM5CWtq15N0WJeuCet5bJlQ3: { name: [{ family: 'Cook', given: ['Wilbur'] }] },
  },
  Encounter: {
    eoK0fM2Gm4w: {
      status: 'in-progress',
      subject: { reference: 'Patient/erXuFYUfucBZaryVksYEcMg3' },
    },
  },
}

export const PATIENT_NAMES: Readonly<Record<string, string>> = {
  erXuFYUfucBZaryVksYEcMg3: 'Camila Lopez',
  eq081: 'Derrick Lin',
}

const EVERY_PATIENT = Object.keys(PATIENT_NAMES)

export const PEOPLE: readonly Person[] = [
  {
    name: 'camila',
    display: 'Camila Lopez, for herself',
    resource: 'Patient/erXuFYUfucBZaryVksYEcMg3',
    patients: ['erXuFYUfucBZaryVksYEcMg3'],
  },
  {
    name: 'wilbur',
    display: 'Wilbur Cook, a physician',
    resource: 'Practitioner/eM5CWtq15N0WJeuCet5bJlQ3',
    patients: EVERY_PATIENT,
  },
]
