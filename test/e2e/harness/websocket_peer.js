// A WebSocket client or server by the independent `ws`, driven over standard input and output, one
// JSON object a line.
//   node websocket_peer.js serve HOST PORT [CERT KEY]
//   node websocket_peer.js connect URL ADDRESS [CA]
// The client sends what it is told ({"send": text} or {"send_bytes": n}) and reports what comes.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const readline = require('readline');
const WebSocket = require('ws');

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const digest = (data) => crypto.createHash('sha256').update(data).digest('hex');
const [role, ...rest] = process.argv.slice(2);

if (role === 'serve') {
  const [host, port, cert, key] = rest;
  const server = cert
    ? require('https').createServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key)})
    : require('http').createServer();
  const sockets = new WebSocket.Server({server, maxPayload: 1 << 30,
    handleProtocols: (offered) => offered.values().next().value});
  sockets.on('connection', (socket, request) => {
    say({connected: request.url, headers: request.headers});
    socket.on('message', (data, binary) => socket.send(data, {binary}));
    socket.on('close', (code) => say({closed: code}));
    socket.on('error', (error) => say({error: error.message}));
  });
  server.listen(Number(port), host, () => say({listening: server.address().port}));
} else {
  const [url, address, ca] = rest;
  const options = {lookup: (name, how, done) =>
    (how.all ? done(null, [{address, family: 4}]) : done(null, address, 4))};
  if (ca) options.ca = fs.readFileSync(ca);
  const socket = new WebSocket(url, ['chat'], options);
  socket.on('open', () => say({open: socket.protocol}));
  socket.on('message', (data, binary) => say(data.length > 1000
    ? {received: data.length, sha256: digest(data), binary} : {received: data.toString(), binary}));
  socket.on('pong', (data) => say({pong: data.toString()}));
  socket.on('close', (code) => { say({closed: code}); process.exit(0); });
  socket.on('error', (error) => { say({error: error.message}); process.exit(1); });
  socket.on('unexpected-response', (_, response) => {
    say({refused: response.statusCode}); process.exit(1);
  });
  readline.createInterface({input: process.stdin}).on('line', (line) => {
    const order = JSON.parse(line);
    if ('send' in order) socket.send(order.send);
    if ('send_bytes' in order) {
      const data = crypto.randomBytes(order.send_bytes);
      say({sending: data.length, sha256: digest(data)});
      socket.send(data);
    }
    if ('ping' in order) socket.ping(order.ping);
    if ('close' in order) socket.close(order.close);
  });
}
