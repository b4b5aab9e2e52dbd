;; Finds where grains end. `gear2.ts` says what a grain is, and writes the two tables and the bytes into the memory.
;; `npm run build:gear2` makes `gear2-code.ts` of this file.
(module
  ;; 0: G, 256 × u64. 2048: each of them shifted left by one. 4096: 256 KiB of input.
  (memory (export "memory") 5 5)
  ;; The hash over the last bytes of the grain, and how many bytes the grain has so far.
  (global $hash (mut i64) (i64.const 0))
  (global $length (mut i32) (i32.const 0))
  ;; Bits 40 to 35 of the hash where the last grain ended: they say whether a block ends there, too.
  (global $mark (export "mark") (mut i32) (i32.const 0))

  ;; Where the grain has `$length` bytes, or the end of the input where that comes first.
  (func $until (param $at i32) (param $end i32) (param $bytes i32) (result i32)
    (local $place i32)
    (if (i32.ge_u (global.get $length) (local.get $bytes)) (then (return (local.get $at))))
    (local.set $place (i32.add (local.get $at) (i32.sub (local.get $bytes) (global.get $length))))
    (select (local.get $place) (local.get $end) (i32.lt_u (local.get $place) (local.get $end))))

  ;; Ends the grain behind `$at`, whose last byte gave `$hash`.
  (func $close (param $at i32) (param $hash i64) (result i32)
    (global.set $mark (i32.and (i32.wrap_i64 (i64.shr_u (local.get $hash) (i64.const 35))) (i32.const 63)))
    (global.set $hash (i64.const 0))
    (global.set $length (i32.const 0))
    (local.get $at))

  ;; Takes the bytes of `[$at, $end)`. The grain ends behind the first byte after which no bit of `$mask` is set in the
  ;; hash: returns that place, or 0 where there is none. Takes two bytes a step: the hash after the first of them is
  ;; computed one bit further to the left, which loses nothing, since no mask has bit 63.
  (func $roll (param $at i32) (param $end i32) (param $mask i64) (result i32)
    (local $hash i64) (local $wide i64) (local $start i32) (local $evenEnd i32)
    (local.set $hash (global.get $hash))
    (local.set $start (local.get $at))
    (local.set $wide (i64.shl (local.get $mask) (i64.const 1)))
    (local.set $evenEnd
      (i32.sub (local.get $end) (i32.and (i32.sub (local.get $end) (local.get $at)) (i32.const 1))))
    (block $done
      (loop $pairs
        (br_if $done (i32.ge_u (local.get $at) (local.get $evenEnd)))
        (local.set $hash
          (i64.add
            (i64.shl (local.get $hash) (i64.const 2))
            (i64.load offset=2048 (i32.shl (i32.load8_u (local.get $at)) (i32.const 3)))))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $wide)))
          (then
            ;; The mark lies far below bit 63, so the bit that is lost here is not missed.
            (return
              (call $close
                (i32.add (local.get $at) (i32.const 1))
                (i64.shr_u (local.get $hash) (i64.const 1))))))
        (local.set $hash
          (i64.add
            (local.get $hash)
            (i64.load (i32.shl (i32.load8_u offset=1 (local.get $at)) (i32.const 3)))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask)))
          (then (return (call $close (local.get $at) (local.get $hash)))))
        (br $pairs)))
    (if (i32.lt_u (local.get $at) (local.get $end))
      (then
        (local.set $hash
          (i64.add
            (i64.shl (local.get $hash) (i64.const 1))
            (i64.load (i32.shl (i32.load8_u (local.get $at)) (i32.const 3)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (if (i64.eqz (i64.and (local.get $hash) (local.get $mask)))
          (then (return (call $close (local.get $at) (local.get $hash)))))))
    (global.set $hash (local.get $hash))
    (global.set $length
      (i32.add (global.get $length) (i32.sub (local.get $at) (local.get $start))))
    (i32.const 0))

  ;; Takes the bytes of `[$at, $end)` up to the end of a grain. Returns the place behind it, or 0 where the grain goes on.
  (func (export "cut") (param $at i32) (param $end i32) (result i32)
    (local $place i32) (local $found i32)
    ;; Bytes more than 64 before the first possible end would have left the hash by then.
    (local.set $place (call $until (local.get $at) (local.get $end) (i32.const 448)))
    (global.set $length
      (i32.add (global.get $length) (i32.sub (local.get $place) (local.get $at))))
    (local.set $at (local.get $place))
    ;; The grain does not end behind these bytes: it has less than 512.
    (local.set $place (call $until (local.get $at) (local.get $end) (i32.const 511)))
    (global.set $length
      (i32.add (global.get $length) (i32.sub (local.get $place) (local.get $at))))
    (block $warm
      (loop $next
        (br_if $warm (i32.ge_u (local.get $at) (local.get $place)))
        (global.set $hash
          (i64.add
            (i64.shl (global.get $hash) (i64.const 1))
            (i64.load (i32.shl (i32.load8_u (local.get $at)) (i32.const 3)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    ;; 512 to 2,047 bytes: bits 62 to 50.
    (local.set $place (call $until (local.get $at) (local.get $end) (i32.const 2047)))
    (local.set $found
      (call $roll (local.get $at) (local.get $place) (i64.const 0x7ffc000000000000)))
    (if (local.get $found) (then (return (local.get $found))))
    (local.set $at (local.get $place))
    ;; 2,048 to 8,191 bytes: bits 62 to 54.
    (local.set $place (call $until (local.get $at) (local.get $end) (i32.const 8191)))
    (local.set $found
      (call $roll (local.get $at) (local.get $place) (i64.const 0x7fc0000000000000)))
    (if (local.get $found) (then (return (local.get $found))))
    ;; 8,192 bytes: the mask lets every grain end.
    (if (i32.eq (local.get $place) (local.get $end)) (then (return (i32.const 0))))
    (call $roll (local.get $place) (i32.add (local.get $place) (i32.const 1)) (i64.const 0)))

  ;; Forgets the grain that was begun.
  (func (export "reset")
    (global.set $hash (i64.const 0))
    (global.set $length (i32.const 0))))
