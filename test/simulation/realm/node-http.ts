/** In place of `node:http`. */
import { SimulatedHttpServer, type Handler } from '../network/http-server.ts';
import { realm } from './simulation.ts';

export { request, STATUS_CODES } from 'node:http';

export const createServer = (_options: unknown, handler: Handler): SimulatedHttpServer =>
  new SimulatedHttpServer(realm.process, handler);
