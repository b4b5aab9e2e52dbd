/** In place of `node:http`. */
import { SimulatedHttpServer } from '../network/http-server.ts';
import { realm } from './simulation.ts';

// Only channels make requests and responses by themselves, and the network of the world knows no upgrades.
export { Agent, IncomingMessage, request, ServerResponse, STATUS_CODES } from 'node:http';

export const createServer = (): SimulatedHttpServer => new SimulatedHttpServer(realm.process);
