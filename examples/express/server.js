// An API with Express and jose. Tokens are verified offline; the feed tells which were revoked.
import express from 'express'
import { token, refused } from './tokens.js'

const app = express()
app.disable('x-powered-by')

app.get('/hello', token({ optional: true }), (req, res) => res.send(`hello, ${req.token?.sub ?? 'nobody'}\n`))
app.get('/me', token(), (req, res) => res.json({ sub: req.token.sub, scope: req.token.scope }))
app.get('/orders', token({ scope: 'orders:read' }), (req, res) => res.send(`orders of ${req.token.sub}\n`))
app.post('/orders', token({ scope: 'orders:write' }), (req, res) => res.send(`an order of ${req.token.sub}\n`))
app.delete('/me', token({ fresh: true }), (req, res) => res.send(`goodbye, ${req.token.sub}\n`))
app.use(refused)

const [host, port] = process.env.LISTEN.split(':')
app.listen(Number(port), host, (error) => {
  if (error) throw error
  console.log(`listening on ${host}:${port}`)
})
