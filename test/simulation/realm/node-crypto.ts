/** In place of `node:crypto`: what is random comes from the seed. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { realm } from './simulation.ts';

export { constants } from 'node:crypto';
export { createHash, createHmac, timingSafeEqual };

export const randomBytes = (count: number): Buffer => realm.process.machine.world.chance.bytes(count);
export const randomInt = (max: number): number => randomBytes(6).readUIntBE(0, 6) % max;
