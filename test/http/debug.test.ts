import { Server as HttpServer } from 'node:http';
import { createRequire } from 'node:module';
import { expect, it, onTestFinished, vi } from 'vitest';
import { apiErrorOf, createRig, proxyAt } from './rig.ts';
import { listen } from './server.ts';

/** The package by which others print what they do, for whoever sets DEBUG. */
const ofProxyAgent = createRequire(createRequire(import.meta.url).resolve('https-proxy-agent'));
const debug = ofProxyAgent('debug') as { enable: (names: string) => void; disable: () => void };

it('shows no password of a proxy although packages print what they do for DEBUG=*', async () => {
  debug.enable('*');
  let printed = '';
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  onTestFinished(() => {
    write.mockRestore();
    debug.disable();
  });
  const proxy = new HttpServer();
  proxy.on('connect', (_request, socket) => socket.end('HTTP/1.1 403 No\r\n\r\n'));
  const port = await listen(proxy);
  onTestFinished(() => {
    proxy.close();
  });
  const { http } = createRig({
    baseUrl: 'https://api.example',
    proxy: proxyAt(`http://user:PROXY-MARK@127.0.0.1:${port}`),
  });

  await apiErrorOf(
    http.request({ method: 'GET', path: '/x', authorization: () => Promise.resolve('TOKEN-MARK') }),
  );

  expect(printed).toContain('https-proxy-agent');
  expect(printed).not.toMatch(/MARK/);
  expect(printed).not.toContain(Buffer.from('user:PROXY-MARK').toString('base64'));
});
