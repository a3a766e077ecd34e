/** Characters. As many as an upstream's id may have. */
const MOST = 64

/** An id made of a name, of a-z 0-9 and single hyphens; null where the name has nothing to make one of. */
export function idFrom(name: string): string | null {
  const plain = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/['’]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
  const id = cut(plain.replace(/^-|-$/g, ''), MOST)
  return id === '' ? null : id
}

/** The first of the names that makes an id, with a number behind it where that is taken. */
export function freeId(names: readonly string[], isTaken: (id: string) => boolean): string {
  const id = names.map(idFrom).find(each => each !== null) ?? 'ehr'
  if (!isTaken(id)) return id
  for (let number = 2; ; number++) {
    const next = `${cut(id, MOST - `-${number}`.length)}-${number}`
    if (!isTaken(next)) return next
  }
}

const cut = (text: string, most: number): string => text.slice(0, most).replace(/-$/, '')
