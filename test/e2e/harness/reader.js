// Says of each request how Node's parser reads it: in the field X-Read of the answer its method, its
// target and the size of its body. One line on standard output when it listens: the port.
//   node reader.js HOST
'use strict';
const http = require('http');

const server = http.createServer({maxHeaderSize: 1 << 20, keepAliveTimeout: 60000},
  (request, response) => {
    let size = 0;
    request.on('data', (data) => { size += data.length; });
    request.on('end', () => {
      response.setHeader('X-Read', `${request.method} ${request.url} ${size}`);
      response.end();
    });
  });
server.listen(0, process.argv[2], () => process.stdout.write(`${server.address().port}\n`));
