/** In place of `node:http`. */
import { SimulatedHttpServer, type Handler } from '../network/http-server.ts';
import { realm } from './simulation.ts';

export { request, STATUS_CODES } from 'node:http';

export const createServer = (_options: unknown, handler: Handler): SimulatedHttpServer =>
  new SimulatedHttpServer(realm.process, handler);

/** The network of the world knows no upgrades: channels are never opened, and nothing of this is made. */
export class IncomingMessage {}
/** See {@link IncomingMessage}. */
export class ServerResponse {}
