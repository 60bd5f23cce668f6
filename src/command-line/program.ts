import { Command, Option } from 'commander';

/** Where help, version and usage errors go. */
export interface OptionsOutput {
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
  version: string;
}

/** The values of the options that take some, as given and in their order. */
export interface Given {
  tags: string[];
  blockTags: string[];
  unblockTags: string[];
  scores: string[];
  wait: string[];
  config: string[];
}

/** The options that take no value. */
export interface Switches {
  dryRun?: true;
  check?: true;
  status?: true;
  json?: true;
  verbose?: true;
  quiet?: true;
}

const mannerGroup = 'How to do it:';

/** What the help says below the list of options. */
const helpAfterwards = `
Examples:
  atp --check --tag host_context --blocktag block --unblocktag unblock
      is everything in place for these flags?
  atp --status --blocktag block --unblocktag unblock
      who is isolated, and what waits?
  atp --dry-run --tag host_context --tc 75 75 --blocktag block --unblocktag unblock
      what would a run do now, host by host?
  atp --tag host_context --tc 75 75 --blocktag block --unblocktag unblock
      the typical production line
  */5 * * * * /usr/local/bin/atp --tag host_context --tc 75 75 --blocktag block --unblocktag unblock
      in a crontab; a run that finds nothing to do prints nothing

A tag with blanks needs quotes: --blocktag "please isolate". --tc takes its two scores
after blanks, never after an equals sign.

Configuration: the file of --config, else of $ATP_CONFIG, else the first of
$XDG_CONFIG_HOME/atp/config.json (~/.config/atp/config.json) and /etc/atp/config.json.
Start from config.example.json.

Exit codes: 0 done or nothing to do; 1 some hosts failed, were refused or must wait;
3 more isolations than isolation.maxPerRun; 64 wrong usage; 69 a service is unreachable;
70 a bug in atp; 75 another run is at work; 77 credentials or a permission refused;
78 configuration missing or wrong; 130 and 143 interrupted.
`;

/** Describes the command line to commander, with the help that a person can act on. */
export function createProgram(given: Given, io: OptionsOutput): Command {
  function collect(flags: string, description: string, list: string[]): Option {
    return new Option(flags, description).argParser((text) => list.push(text));
  }

  const program = new Command('atp')
    .description(
      'Brings Microsoft Defender for Endpoint context to hosts in Vectra Cognito Detect, and isolates or releases ' +
        'the machines of hosts that are tagged for it. Made for cron: each run does what is due, and ends.',
    )
    .exitOverride()
    // What commander has to say about mistakes arrives as an exception.
    .configureOutput({ writeOut: io.writeOut, writeErr: io.writeErr, outputError: () => undefined })
    // commander reads two values only as one option with any number of them; people shall see the two.
    .configureHelp({ optionTerm: (option) => option.flags.replace('...', '') })
    .allowExcessArguments();

  program
    .optionsGroup('What to do (at least one of these; they combine):')
    .addOption(collect('--tag <tag>', 'enrich active hosts that carry this tag; repeatable', given.tags))
    .addOption(
      collect(
        '--tc <threat> <certainty...>',
        'enrich active hosts whose threat and certainty are both at or above these (0 to 100)',
        given.scores,
      ),
    )
    .addOption(
      collect(
        '--blocktag <tag>',
        'isolate the machines of hosts that carry this tag; repeatable',
        given.blockTags,
      ),
    )
    .addOption(
      collect(
        '--unblocktag <tag>',
        'release the machines of hosts that carry this tag; repeatable',
        given.unblockTags,
      ),
    )
    .option(
      '--check',
      'test configuration, credentials, permissions and reachability for the flags given; change nothing',
    )
    .option(
      '--status',
      'print who is isolated, since when and by whom, where tags and Defender disagree, and what waits for the ' +
        'block and unblock tags given; change nothing',
    );

  return program
    .optionsGroup(mannerGroup)
    .option('--dry-run', 'read everything, write nothing, print what a run would do')
    .addOption(
      collect(
        '--wait <seconds>',
        'follow isolations and releases for up to this long, 0 to 3600 (default: the next run does it)',
        given.wait,
      ),
    )
    .option('--json', 'print one JSON report on standard output at the end')
    .addOption(collect('--config <file>', 'use this configuration file', given.config))
    .option('--verbose', 'log every step')
    .option('--quiet', 'log warnings and errors only')
    .version(io.version, '-V, --version', 'print the version')
    .addHelpOption(new Option('-h, --help', 'print this help').helpGroup(mannerGroup))
    .addHelpText('after', helpAfterwards);
}
