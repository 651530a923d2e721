import type { Machine } from '../../ir/machine.ts';

const link = { bandwidth: 1e10, latency: 1e-5, shared: false };

/** Two nodes of four devices with round figures; small kernels take mostly their launch. */
export const roundMachine: Machine = {
  name: 'round',
  nodes: 2,
  devicesPerNode: 4,
  device: {
    name: 'device',
    memory: 2 ** 34,
    reserve: 0,
    peak: 1e12,
    bandwidth: 1e11,
    launch: 1e-6,
    arithmetic: {},
    traffic: {},
  },
  sockets: [
    [0, 1],
    [2, 3],
  ],
  inSocket: { ...link, name: 'inside' },
  betweenSockets: { ...link, name: 'between' },
  network: { ...link, name: 'network', shared: true },
  allReduce: { bandwidth: 1e10, latency: 1e-5 },
  host: { memory: 2 ** 36, link: 1e10 },
  storage: 1e12,
  launcher: 'torchrun',
};

/** The same with every rate times `by`, and every latency divided by it. */
export function faster(machine: Machine, by: number): Machine {
  const quick = <L extends Machine['network']>(one: L): L => ({
    ...one,
    bandwidth: one.bandwidth * by,
    latency: one.latency / by,
  });
  const { device, inSocket, betweenSockets, network, allReduce } = machine;
  return {
    ...machine,
    device: {
      ...device,
      peak: device.peak * by,
      bandwidth: device.bandwidth * by,
      launch: device.launch / by,
    },
    inSocket: quick(inSocket),
    betweenSockets: quick(betweenSockets),
    network: quick(network),
    allReduce: { bandwidth: allReduce.bandwidth * by, latency: allReduce.latency / by },
    storage: machine.storage * by,
  };
}
