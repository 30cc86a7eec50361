# bash completion of tcr-assistant; printed by: tcr-assistant completion bash
_tcr_assistant() {
  local out directive line word last= words=()
  # bash takes --flag=value apart.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    case $last:$word in
      --*[!=]:= | --*=:*) last+=$word; words[${#words[@]} - 1]=$last ;;
      *) last=$word; words+=("$word") ;;
    esac
  done
  out=$("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null) || return
  directive=${out##*:}
  COMPREPLY=()
  while IFS= read -r line; do
    line=${line%%$'\t'*}
    case $last in --*=*) line=${line#--*=} ;; esac
    case $line in :[0-9]*) ;; *) COMPREPLY+=("$line") ;; esac
  done <<<"$out"
  if [ $((directive & 2)) -ne 0 ]; then compopt -o nospace; fi
  if [ $((directive & 4)) -eq 0 ]; then compopt -o default; fi
}
complete -F _tcr_assistant tcr-assistant
