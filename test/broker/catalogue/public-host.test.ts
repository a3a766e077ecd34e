import { expect, test } from 'vitest'
import { isPublicHost } from '../../../broker/catalogue/public-host.ts'

test.each([
  'fhir.example.com',
  'epicproxy.et1234.epichosted.com',
  'fhir.klinik.example.co.uk',
  'mercy.azurewebsites.net',
  '8.8.8.8',
  '[2606:4700::1111]',
  'xn--bcher-kva.example.com',
])('%s is public', host => {
  expect(isPublicHost(host)).toBe(true)
})

test.each([
  'localhost',
  'ehr',
  'ehr.local',
  'ehr.hospital.internal',
  'metadata.google.internal',
  'ehr.lan',
  'com',
  'co.uk',
  '10.1.2.3',
  '172.16.0.1',
  '192.168.1.1',
  '127.0.0.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '255.255.255.255',
  '224.0.0.1',
  '[::1]',
  '[::]',
  '[fe80::1]',
  '[fd00::1]',
  '[::ffff:10.0.0.1]',
])('%s is not', host => {
  expect(isPublicHost(host)).toBe(false)
})

test.each(['https://0x7f.1/', 'https://2130706433/', 'https://017700000001/', 'https://127.1/'])(
  '%s, which is our own machine in disguise, is not',
  url => {
    expect(isPublicHost(new URL(url).hostname)).toBe(false)
  },
)
