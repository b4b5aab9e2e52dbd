/** `cairn completion` and its scripts, and `cairn complete`, which these ask. */
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { ownStateHomeOf } from '../../access/user-directories.ts';
import { print } from '../../process/output.ts';
import { offerFor, type Candidate, type Known } from './candidates.ts';
import type { SHELLS } from './completion-command.ts';

type Shell = (typeof SHELLS)[number];

/** Says that names of files may follow. */
const FILES_MARK = ':files';

const BASH = `# Completion of cairn for bash. In ~/.bashrc: source <(cairn completion bash)
_cairn() {
  local line files=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ${FILES_MARK} ]]; then files=1; else COMPREPLY+=("\${line%%$'\\t'*}"); fi
  done < <(command cairn complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ -n $files ]]; then compopt -o default; fi
}
complete -F _cairn cairn
`;

const ZSH = `#compdef cairn
# Completion of cairn for zsh. In ~/.zshrc, after compinit: source <(cairn completion zsh)
_cairn() {
  local line files=
  local -a found
  for line in "\${(@f)$(command cairn complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == ${FILES_MARK} ]]; then files=1
    elif [[ -n $line ]]; then found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}"); fi
  done
  (( $#found )) && _describe -t words cairn found
  [[ -n $files ]] && _files
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _cairn "$@"; else compdef _cairn cairn; fi
`;

const FISH = `# Completion of cairn for fish: cairn completion fish > ~/.config/fish/completions/cairn.fish
function __cairn_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -e words[1]
  for line in (command cairn complete -- $words "$current" 2>/dev/null)
    if test "$line" = ${FILES_MARK}
      __fish_complete_path "$current"
    else
      printf '%s\\n' $line
    end
  end
end
complete -c cairn -e
complete -c cairn -f -a '(__cairn_complete)'
`;

/** The script for each shell. */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
};

/** Prints the script for a shell. */
export async function runCompletion(shell: Shell): Promise<ExitCode> {
  print(SCRIPTS[shell]);
  return EXIT.done;
}

/**
 * Prints what may replace the last word, a line each: the word, a tab, and its description. What `known` throws leaves nothing
 * to offer.
 */
export function completeIn(
  program: Command,
  known: Pick<Known, 'jobNames'>,
): (words: readonly string[]) => Promise<ExitCode> {
  return async (words) => {
    const { candidates, files } = await offerFor(program, words, { transferIds, ...known });
    const lines = candidates.map(
      ({ word, description }) => `${printable(word)}\t${printable(description)}\n`,
    );
    print([...lines, ...(files ? [`${FILES_MARK}\n`] : [])].join(''));
    return EXIT.done;
  };
}

async function transferIds(): Promise<Candidate[]> {
  const { listTransfers } = await import('../../../client/transfers.ts');
  const transfers = await listTransfers(ownStateHomeOf(process.env));
  return transfers.map(({ id, direction, url }) => ({ word: id, description: `${direction} ${url}` }));
}
