/**
 * The scripts that teach a shell to complete cairn. They ask `cairn complete` each time, so they never grow old. What was
 * typed is handed over as words, and never evaluated.
 */

/** Shells that are known. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** Says that names of files may follow. */
export const FILES_MARK = ':files';

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
export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
};
