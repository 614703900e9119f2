/**
 * The events that a userline server sends and answers by itself, for the stock client:
 *
 *     import { io, type Socket } from "socket.io-client";
 *     import type { ClientToServer, ServerToClient } from "./userline";
 *
 *     const socket: Socket<ServerToClient & MyEvents, ClientToServer & MyRequests> = io(url);
 *
 * A test of the server compares every name and key here with what it sends and takes; docs/client-events.md says more.
 */

/** What every request may be acked with in place of its answer. */
export interface Refused {
  error: { code: string; message: string };
}

/** The ack of a request. */
export type Ack<Answer> = (answer: Answer | Refused) => void;

/** Who the client is, after each connect, and when a guest has become a user. Times are in ms since 1970. */
export interface Session {
  user: string;
  session: number;
  socket: string;
  expires_at: number | null;
  /** The client has brought no credentials. */
  guest?: true;
  resume?: string;
}

/** The credentials end soon. */
export interface Expiring {
  expires_at: number | null;
}

/** Why the client is about to be disconnected for good. */
export interface Kicked {
  reason: string | null;
  code?: "blocked" | "user_limit" | "logged_out";
  until?: number;
}

/** The numbers of the user's inbox. */
export interface InboxState {
  head: number;
  unread: number;
  read_upto: number;
  min_seq: number;
  has_more?: boolean;
}

/** One stored event. Times are RFC 3339. */
export interface InboxItem {
  seq: number;
  id: string;
  namespace: string;
  event: string;
  args: unknown[];
  created_at: string;
  expires_at: string;
  read: boolean;
  collapse_key?: string;
}

/** A user whom the client watches is online, or not any more. */
export interface Presence {
  user: string;
  online: boolean;
}

/** Newer credentials of the same user; what else `auth` may hold. */
export interface RefreshRequest {
  token: string;
}

/** When the newer credentials end, in ms since 1970. */
export interface Refreshed {
  expires_at: number | null;
  resume?: string;
}

/** A page of the inbox. */
export interface InboxRequest {
  after?: number;
  before?: number;
  limit?: number;
  unread?: boolean;
}

/** The page. */
export interface InboxPage {
  items: InboxItem[];
  next: number | null;
  head: number;
  unread: number;
  read_upto: number;
  min_seq: number;
}

/** What was read. */
export type ReadRequest = { upto: number } | { ids: string[] };

/** The numbers of the inbox afterwards. */
export interface ReadState {
  head: number;
  unread: number;
  read_upto: number;
  min_seq: number;
}

/** An event for another user, or for a room. */
export interface EmitRequest {
  to: { user: string } | { room: string };
  event: string;
  data?: unknown;
  volatile?: boolean;
  except?: "user" | "device";
  ack?: number;
}

/** Nothing, or the first ack of a receiver, if one was waited for. */
export type Emitted = {} | { ack: unknown[] | null };

/** Users to ask about. */
export interface UsersRequest {
  users: string[];
}

/** Those of them who are online, as far as the client may see it. */
export interface OnlineUsers {
  online: string[];
}

/** Users to ask no more about; without `users`, all. */
export interface UnwatchRequest {
  users?: string[];
}

/** A room to be in, or out of. */
export interface RoomRequest {
  room: string;
}

/** An event of another client has one argument more: who sent it. */
export interface SenderNote {
  from: { user: string; socket: string; device: string | null };
  room?: string;
}

/** A newer resume token. */
export interface Resume {
  resume: string;
}

/** What the server sends by itself. */
export interface ServerToClient {
  "userline:session": (it: Session) => void;
  "userline:expiring": (it: Expiring) => void;
  "userline:resume": (it: Resume) => void;
  "userline:kicked": (it: Kicked) => void;
  "userline:inbox": (it: InboxState) => void;
  "userline:inbox:item": (it: InboxItem) => void;
  "userline:inbox:error": (it: Refused) => void;
  "userline:presence": (it: Presence) => void;
}

/** What the server answers by itself. */
export interface ClientToServer {
  "userline:ping": (...args: any[]) => void;
  "userline:refresh": (it: RefreshRequest, ack: Ack<Refreshed>) => void;
  "userline:logout": (it: {}, ack: Ack<{}>) => void;
  "userline:inbox": (it: InboxRequest, ack: Ack<InboxPage>) => void;
  "userline:read": (it: ReadRequest, ack: Ack<ReadState>) => void;
  "userline:join": (it: RoomRequest, ack: Ack<{}>) => void;
  "userline:leave": (it: RoomRequest, ack: Ack<{}>) => void;
  "userline:emit": (it: EmitRequest, ack: Ack<Emitted>) => void;
  "userline:presence": (it: UsersRequest, ack: Ack<OnlineUsers>) => void;
  "userline:watch": (it: UsersRequest, ack: Ack<OnlineUsers>) => void;
  "userline:unwatch": (it: UnwatchRequest, ack: Ack<{}>) => void;
}
