/** Why the system or a library could not do something, in words. */

/** Codes of the operating system that say something about the machine or a path, not about our program. */
const systemReasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'it exists already',
  EFBIG: 'the file is larger than is allowed here',
  EIO: 'the disk or the network gave an error',
  EISDIR: 'it is a folder',
  ELOOP: 'a link leads round in circles',
  EMFILE: 'this process has too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENFILE: 'the machine has too many open files',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is no folder',
  ENOTEMPTY: 'the folder is not empty',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
};

/** What the operating system refused, in words; undefined where it is not the system that complains. */
export function systemReason(error: unknown): string | undefined {
  const { code } = error instanceof Error && 'code' in error ? error : { code: undefined };
  return typeof code === 'string' ? systemReasons[code] : undefined;
}

/** One line, without our own stack. */
export const reasonOf = (error: unknown): string =>
  systemReason(error) ?? (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
