// The examples of @kubernetes/client-node: typed calls, informer, watch, exec, logs, port-forward, patch, apply.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Writable } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = 'default';
const soon = async (what, isTrue) => {
  for (let tries = 0; tries < 300; tries++) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`${what} never came`);
};
const collected = () => {
  const stream = new Writable({ write(chunk, _, done) { this.text = (this.text ?? '') + chunk; done(); } });
  stream.text = '';
  return stream;
};

const seen = [];
const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, () => core.listNamespacedPod({ namespace }));
for (const event of ['add', 'update', 'delete']) {
  informer.on(event, (pod) => pod.metadata.name === 'node' && seen.push([event, pod.status?.phase]));
}
await informer.start();

const holder = net.createServer();
await new Promise((resolve) => holder.listen(0, '127.0.0.1', resolve));
const { port } = holder.address();
await new Promise((resolve) => holder.close(resolve));
const serve = `import http.server as h; h.ThreadingHTTPServer(('', ${port}), h.SimpleHTTPRequestHandler).serve_forever()`;
const container = { name: 'c', image: 'python', command: ['sh', '-c', `echo hello; exec python3 -c "${serve}"`] };
const spec = { containers: [container], terminationGracePeriodSeconds: 1 };
await core.createNamespacedPod({ namespace, body: { metadata: { name: 'node' }, spec } });
await soon('Running', () => seen.some(([, phase]) => phase === 'Running'));
await soon('a log', async () => (await core.readNamespacedPodLog({ namespace, name: 'node' })) === 'hello\n');

const forward = new k8s.PortForward(config);
const listener = net.createServer((socket) => forward.portForward(namespace, 'node', [port], socket, null, socket));
await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
await soon('an answer', async () => {
  const url = `http://127.0.0.1:${listener.address().port}/`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => null);
  return answer?.status === 200;
});
listener.close();
listener.closeAllConnections?.();

const out = collected();
const status = await new Promise((resolve, reject) => new k8s.Exec(config)
  .exec(namespace, 'node', 'c', ['sh', '-c', 'echo out; exit 3'], out, collected(), null, false, resolve).catch(reject));
assert.equal(out.text, 'out\n');
assert.equal(status.details.causes[0].message, '3');

const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'node', namespace }, data: { a: '1' } };
await objects.create(map);
const patched = await objects.patch({ ...map, data: { b: '2' } });
assert.deepEqual(patched.data, { a: '1', b: '2' });
await objects.delete(map);
await assert.rejects(core.readNamespacedConfigMap({ namespace, name: 'node' }), (error) => error.code === 404);

await core.deleteNamespacedPod({ namespace, name: 'node' });
await soon('the deletion', () => seen.some(([event]) => event === 'delete'));
assert.deepEqual(seen.at(-2), ['update', 'Failed']);
await informer.stop();
process.exit(0);
