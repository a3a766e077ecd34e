// The page is whole without this: it only lets buttons copy what stands beside them.
const told = document.querySelector('[role="status"]')

async function copy(button, source) {
  const word = button.querySelector('span')
  try {
    await navigator.clipboard.writeText(source.textContent)
    word.textContent = 'Copied'
    told.textContent = 'Copied.'
  } catch {
    getSelection().selectAllChildren(source)
    word.textContent = 'Selected'
    told.textContent = 'This browser does not let the page copy. The text is selected instead.'
  }
  setTimeout(() => {
    word.textContent = 'Copy'
    told.textContent = ''
  }, 4000)
}

for (const button of document.querySelectorAll('button[data-copy]')) {
  const source = document.getElementById(button.dataset.copy)
  button.addEventListener('click', () => copy(button, source))
  button.hidden = navigator.clipboard === undefined
}
