;; A policy that is a program (execution mode `wasi`): takes any settings, and validates by what is put at the mark.
;; Memory: a vector at 0, what a function counts at 8, answers at 16 and up, arguments at 512 and up, the input at 65536.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "host" "call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "{\"valid\":true}")
  (data (i32.const 64) "{\"accepted\":true}")
  (;MODULE;)
  ;; Traps unless the two are equal.
  (func $must (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))
  (func $print (param $descriptor i32) (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (call $must
      (call $fd_write (local.get $descriptor) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 0)))
  ;; Reads all of the input, a hundred bytes at a time; how much it was.
  (func $read (result i32) (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $more
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (i32.const 100))
      (call $must (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 0))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (i32.sub (local.get $at) (i32.const 65536)))
  ;; Ends with what was read as its error.
  (func $fail_with (param $length i32)
    (call $print (i32.const 2) (i32.const 65536) (local.get $length))
    (call $proc_exit (i32.const 1)))
  (func (export "_start")
    (call $must (call $args_sizes_get (i32.const 512) (i32.const 516)) (i32.const 0))
    (call $must (i32.load (i32.const 512)) (i32.const 2))
    (call $must (call $args_get (i32.const 520) (i32.const 1024)) (i32.const 0))
    ;; Both begin with `validate`; `validate-settings` is told by its length.
    (call $must (i64.eq (i64.load (i32.load (i32.const 524))) (i64.const 0x65746164696c6176)) (i32.const 1))
    (if (i32.eq (i32.load (i32.const 516)) (i32.const 30))
      (then (call $print (i32.const 1) (i32.const 16) (i32.const 14)) (return)))
    (call $must (i32.load (i32.const 516)) (i32.const 21))
    (;VALIDATE;)
    (call $print (i32.const 1) (i32.const 64) (i32.const 17)))
)
