/**
 * What the host offers beside Extism's own functions. A host call sends `length` bytes at `request` and returns the
 * length of the reply, which `take_reply` then copies to where the tool made room for it.
 */

// @ts-ignore: decorator
@external('extism:host/user', 'fs_read')
export declare function fs_read(request: usize, length: i32): i32;
// @ts-ignore: decorator
@external('extism:host/user', 'fs_list')
export declare function fs_list(request: usize, length: i32): i32;
// @ts-ignore: decorator
@external('extism:host/user', 'fs_write')
export declare function fs_write(request: usize, length: i32): i32;
// @ts-ignore: decorator
@external('extism:host/user', 'process_run')
export declare function process_run(request: usize, length: i32): i32;
// @ts-ignore: decorator
@external('extism:host/user', 'take_reply')
export declare function take_reply(target: usize): void;
