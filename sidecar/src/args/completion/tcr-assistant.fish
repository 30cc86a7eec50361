# fish completion of tcr-assistant; printed by: tcr-assistant completion fish
function __tcr_assistant_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] __complete $words[2..-1] 2>/dev/null)
    string match -v -r '^:[0-9]+$' -- $lines
    # Names of files are the shell's own to complete.
    if contains -- ':0' $lines
        __fish_complete_path (commandline -ct)
    end
end
complete -c tcr-assistant -f -a '(__tcr_assistant_complete)'
