/** Loaded into the server's process before everything else: tells its memory to whoever started it. */
'use strict';

const { gc, process: own } = globalThis;
if (gc === undefined || own.channel === undefined) throw new Error('needs --expose-gc and a channel');

own.on('message', () => {
  gc();
  // What finalizers let go of is collected by the next one.
  setTimeout(() => {
    gc();
    const { rss, heapUsed, external } = own.memoryUsage();
    own.send?.({ rssBytes: rss, liveBytes: heapUsed + external });
  }, 200);
});
own.channel.unref();
