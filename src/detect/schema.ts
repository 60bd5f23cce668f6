/** Something Detect learned about a host from its traffic: a name or a MAC address. */
export interface Artifact {
  /** `dhcp`, `kerberos`, `netbios`, `dns`, `rdns`, `mac`, `windows_defender_name` and others. */
  type: string;
  value: string;
}

/** A host container in Detect, reduced to what the program uses. What the document lacks is `undefined`. */
export interface Host {
  id: number;
  name: string | undefined;
  /** `active` or `inactive`. */
  state: string | undefined;
  threat: number | undefined;
  certainty: number | undefined;
  lastSource: string | undefined;
  ip: string | undefined;
  /** When the host's last traffic was seen, as Detect prints it (UTC). */
  lastSeen: string | undefined;
  tags: string[];
  /** Names of the groups the host is in. */
  groups: string[] | undefined;
  artifacts: Artifact[] | undefined;
}

/** A note on a host. */
export interface Note {
  id: number;
  note: string;
  /** Milliseconds UTC. */
  createdAt: number | undefined;
}
