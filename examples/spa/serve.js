// A web server for the page's files, and for the headers that belong to them.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'

const { LISTEN, ISSUER, CLIENT_ID } = process.env
const read = (name) => readFile(new URL(name, import.meta.url))
const files = {
  '/': ['text/html; charset=utf-8', await read('index.html')],
  '/app.js': ['text/javascript', await read('app.js')],
  '/oauth4webapi.js': ['text/javascript', await read('node_modules/oauth4webapi/build/index.js')],
  '/config.json': ['application/json', JSON.stringify({ issuer: ISSUER, client_id: CLIENT_ID })],
}
const headers = {
  // Scripts of this server only, and no word to anybody but authd: whatever else got into the page could not take the tokens away.
  'Content-Security-Policy':
    `default-src 'none'; script-src 'self'; connect-src 'self' ${new URL(ISSUER).origin}; base-uri 'none'; ` +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'Referrer-Policy': 'no-referrer', // the address of an answer has a code in it
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
}

const [host, port] = LISTEN.split(':')
createServer((request, response) => {
  const [type, body] = files[new URL(request.url, 'http://page').pathname] ?? []
  if (!body) return response.writeHead(404, headers).end()
  response.writeHead(200, { ...headers, 'Content-Type': type }).end(body)
}).listen(Number(port), host, () => console.log(`listening on ${LISTEN}`))
