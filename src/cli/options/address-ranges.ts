/** Lists of network addresses: `10.0.0.0/8,fd00::/8,192.0.2.1`. */
import { parseAddressRange, type AddressRange } from '../../base/address-range.ts';
import { optionUsage } from './usage.ts';

/** Parses the values of an option that may be repeated. @throws CairnError `usage` */
export function parseAddressRanges(option: string, words: readonly string[]): AddressRange[] {
  const example = `${option} 127.0.0.1 ${option} 10.0.0.0/8`;
  return words
    .flatMap((word) => word.split(','))
    .map((text) => {
      const range = parseAddressRange(text.trim());
      if (range === undefined)
        throw optionUsage(
          option,
          `${option} takes an address or a network like 10.0.0.0/8, not "${text}"`,
          example,
        );
      if (range.bits === 0)
        throw optionUsage(option, `${option} ${text} would believe every client`, example);
      return range;
    });
}
