//! All parts of the program, put together: what others are made of, and what can be done with it.

use super::BuildError;
use super::home::Home;
use super::joining::JoinedCluster;
use crate::auth::{Authenticator, Resume};
use crate::clock::Clock;
use crate::cluster::{Bus, ClusterErasing, ClusterResume};
use crate::config::{Config, GuestRight};
use crate::connection::{Connections, Pump};
use crate::core::auth::resume_token::ResumeKey;
use crate::core::cluster::book::BookName;
use crate::entropy;
use crate::hooks::Hooks;
use crate::ingest::{Ingest, IngestError, IngestParts};
use crate::realtime::Realtime;
use crate::realtime::admission::{Admission, Authentication};
use crate::realtime::attachments::Attachments;
use crate::realtime::attendance::Attendance;
use crate::realtime::bulk::Bulk;
use crate::realtime::control::{Control, RestrictionKeeper};
use crate::realtime::directory::Directory;
use crate::realtime::emitter::Emitter;
use crate::realtime::erasure::{Erasure, ErasureKeeper, ErasureOfNodes};
use crate::realtime::everywhere::Everywhere;
use crate::realtime::inboxes::{InboxBounds, InboxKeeper, LiveInboxes};
use crate::realtime::joining::Joining;
use crate::realtime::memberships::{MembershipControl, MembershipKeeper};
use crate::realtime::messages::{AckHistory, MembersByRoom, Messages, UndeliveredHooks};
use crate::realtime::notices::Notices;
use crate::realtime::people::People;
use crate::realtime::permissions::Permissions;
use crate::realtime::reminders::Reminders;
use crate::realtime::reports::{ReportParts, Reports, ThisNode};
use crate::realtime::sockets::Sockets;
use crate::realtime::sources::IngestSources;
use crate::realtime::visits::Visits;
use crate::realtime::watching::Watching;
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::Namespace;
use rustix::system::uname;
use std::sync::Arc;

/// What the listeners serve, and what runs beside them.
#[derive(Debug, Clone)]
pub(crate) struct AppParts {
    /// Where what outlasts the process is kept.
    pub(crate) home: Home,
    pub(crate) clock: Clock,
    pub(crate) authenticator: Arc<Authenticator>,
    /// How clients come back without credentials, where they may.
    pub(crate) resume: Option<Arc<Resume>>,
    /// How the backend is asked what clients may do, where it is.
    pub(crate) permissions: Option<Permissions>,
    /// What this run of the process is.
    this: ThisNode,
    pub(crate) hooks: Hooks,
    pub(crate) sockets: Sockets,
    pub(crate) connections: Connections,
    pub(crate) recoveries: Recoveries<Arc<Socket>>,
    /// End first at a stop: from then on nobody goes offline.
    pub(crate) presence_tasks: Tasks,
    /// Those that send messages and wait for their acks: their end is written down before the store closes.
    pub(crate) message_tasks: Tasks,
    /// Take messages from elsewhere.
    pub(crate) ingest_tasks: Tasks,
    pub(crate) tasks: Tasks,
}

impl AppParts {
    /// The parts that others are made of.
    pub(super) fn new(config: &Config, home: Home, clock: Clock) -> Result<Self, BuildError> {
        let tasks = Tasks::new();
        let bounds = (config.watching.bounds, config.sessions.resume_ttl);
        let sockets = match &home {
            Home::Alone(store) => {
                Sockets::new(config.presence, bounds, store.presence(), clock.clone())
            }
            Home::Cluster(it) => it.sockets(config, bounds, clock.clone()),
        };
        let sockets = if config.guests.has_hooks { sockets } else { sockets.silent_about_guests() };
        let sockets = if config.hooks.identity { sockets.portraying() } else { sockets };
        let sockets = if config.hooks.sockets { sockets.telling_of_sockets() } else { sockets };
        let ledger = match &home {
            Home::Cluster(it) => it.ledger(&config.hooks),
            Home::Alone(store) => store.outbox().into(),
        };
        Ok(Self {
            this: this_node(home.cluster(), &clock),
            authenticator: Arc::new(Authenticator::new(config.auth.clone(), clock.clone())?),
            hooks: Hooks::start(&config.hooks, ledger, &clock, &tasks)?,
            sockets,
            resume: resume(config, &home, &clock)?.map(Arc::new),
            permissions: match &config.permissions {
                Some(permissions) => Some(Permissions::new(permissions, clock.clone())?),
                None => None,
            },
            connections: Connections::of(
                &config.limits,
                &config.guests,
                !config.listen.trusted_proxies.is_empty(),
            ),
            recoveries: recoveries(config, &clock, home.cluster()),
            home,
            clock,
            presence_tasks: Tasks::new(),
            message_tasks: Tasks::new(),
            ingest_tasks: Tasks::new(),
            tasks,
        })
    }

    /// What can be done, put together.
    pub(super) fn realtime(&self, config: &Config) -> Realtime {
        let namespaces: Arc<[Namespace]> = config.socketio.namespaces.as_slice().into();
        let inboxes = Arc::new(self.inboxes(config));
        let attendance = Arc::new(self.attendance(config));
        let messages = Arc::new(self.messages(config, Arc::clone(&inboxes)));
        let authenticator = Arc::clone(&self.authenticator);
        let authentication =
            Authentication::new(authenticator, self.resume.clone(), config, self.clock.clone());
        let admission = Admission::new(
            authentication,
            Arc::clone(&attendance),
            Arc::clone(&inboxes),
            self.clock.clone(),
        );
        let (sockets, connections) = (self.sockets.clone(), self.connections.clone());
        let people = Arc::new(People::new(Arc::clone(&attendance), Arc::clone(&namespaces)));
        let watching = Arc::new(self.watching(config));
        let control = Control::new(
            self.sockets.gate.clone(),
            self.restriction_keeper(),
            Arc::clone(&people),
            // Resume tokens let clients in by credentials of any age.
            (
                config.limits,
                config.auth.longest_age().filter(|_| self.resume.is_none()),
                self.resume.clone(),
            ),
            (self.clock.clone(), self.tasks.clone()),
        );
        let control = Arc::new(control);
        let bulk = Arc::new(Bulk::new(
            Arc::clone(&attendance),
            Arc::clone(&control),
            config.limits.rooms_per_socket,
            self.tasks.clone(),
        ));
        let joining = self.joining(config, Arc::clone(&attendance));
        let memberships = Arc::new(MembershipControl::new(
            Arc::clone(&attendance),
            self.membership_keeper(),
            config.limits,
            (self.clock.clone(), self.tasks.clone()),
        ));
        let erasure = Erasure::new(
            Arc::clone(&people),
            Arc::clone(&attendance),
            Arc::clone(&messages),
            Arc::clone(&watching),
            self.erasure_keeper(&namespaces, &control, &memberships),
        );
        let everywhere = Everywhere::new(Arc::clone(&bulk), Arc::clone(&control), self.bus());
        Realtime {
            everywhere: Arc::new(everywhere),
            memberships,
            bulk,
            joining: Arc::new(joining),
            control,
            admission: Arc::new(admission),
            people,
            watching,
            erasure: Arc::new(erasure),
            attachments: Arc::new(Attachments::new(
                sockets.clone(),
                Arc::clone(&namespaces),
                self.bus(),
            )),
            directory: Arc::new(Directory::new(sockets, connections, namespaces, self.bus())),
            attendance,
            messages,
            inboxes,
            unhandled: Arc::default(),
        }
    }

    fn restriction_keeper(&self) -> RestrictionKeeper {
        match &self.home {
            Home::Cluster(cluster) => {
                RestrictionKeeper::Cluster(cluster.book(BookName::Restrictions, &self.clock))
            }
            Home::Alone(store) => RestrictionKeeper::Embedded(store.restrictions()),
        }
    }

    fn membership_keeper(&self) -> MembershipKeeper {
        match &self.home {
            Home::Cluster(cluster) => {
                MembershipKeeper::Cluster(cluster.book(BookName::Memberships, &self.clock))
            }
            Home::Alone(store) => MembershipKeeper::Embedded(store.memberships()),
        }
    }

    fn erasure_keeper(
        &self,
        namespaces: &Arc<[Namespace]>,
        control: &Arc<Control>,
        memberships: &Arc<MembershipControl>,
    ) -> ErasureKeeper {
        let cluster = match &self.home {
            Home::Alone(store) => return ErasureKeeper::Embedded(store.clone()),
            Home::Cluster(cluster) => cluster,
        };
        let erasing = ClusterErasing::new(cluster.member.clone(), Arc::clone(namespaces));
        ErasureKeeper::Cluster(Box::new(ErasureOfNodes::new(
            (erasing, cluster.bus.clone()),
            (Arc::clone(control), Arc::clone(memberships)),
            (self.hooks.ledger().clone(), self.clock.clone()),
        )))
    }

    fn watching(&self, config: &Config) -> Watching {
        let shown = (self.sockets.clone(), self.notices());
        let watching = Watching::new(config.watching.clone(), shown, self.clock.clone());
        let watching = watching.asking(self.permissions.clone());
        match self.home.cluster() {
            Some(it) => watching.in_cluster(it.member.clone()),
            None => watching,
        }
    }

    fn joining(&self, config: &Config, attendance: Arc<Attendance>) -> Joining {
        let rules = &config.auth.rooms;
        let joining = Joining::new(attendance, rules.lets_join(), config.limits.rooms_per_socket);
        match &self.permissions {
            Some(permissions) => joining.asking(rules.asked().to_vec(), permissions.clone()),
            None => joining,
        }
    }

    fn inboxes(&self, config: &Config) -> LiveInboxes {
        let buffer_bytes = config.limits.buffer_bytes;
        let of_guests = config.guests.may.contains(&GuestRight::Inbox);
        let bounds = InboxBounds { config: config.inbox, buffer_bytes, of_guests };
        let (clock, tasks) = (self.clock.clone(), self.tasks.clone());
        let keeper = match &self.home {
            Home::Cluster(cluster) => InboxKeeper::Cluster(cluster.inboxes(config.inbox)),
            Home::Alone(store) => InboxKeeper::Embedded(store.inboxes()),
        };
        LiveInboxes::new((keeper, self.bus()), bounds, self.notices(), clock, tasks)
    }

    fn notices(&self) -> Notices {
        Notices::new(self.sockets.clone(), self.recoveries.clone())
    }

    /// How the nodes are, and the sources of this one.
    pub(crate) fn reports(&self, realtime: &Realtime, sources: IngestSources) -> Arc<Reports> {
        let cluster = self.home.cluster().map(|it| (it.member.clone(), it.bus.clone()));
        let Realtime { directory, messages, people, .. } = realtime.clone();
        let parts = ReportParts { directory, messages, people, hooks: self.hooks.clone() };
        Arc::new(Reports::new(self.this.clone(), parts, sources, cluster))
    }

    /// Has tasks do what is due. Call it once.
    pub(crate) fn watch_deadlines(&self, tasks: &Tasks) {
        let (sockets, resume) = (self.sockets.clone(), self.resume.clone());
        Reminders::new(sockets, self.notices(), resume, tasks.clone()).watch();
    }

    fn bus(&self) -> Option<Bus> {
        self.home.cluster().map(|it| it.bus.clone())
    }

    fn attendance(&self, config: &Config) -> Attendance {
        let (sockets, recoveries) = (self.sockets.clone(), self.recoveries.clone());
        let visits = Visits::new(config.history, self.clock.clone());
        let sessions = (config.sessions, self.resume.clone());
        let attendance = Attendance::new(sockets, recoveries, visits, sessions);
        match self.home.cluster() {
            Some(JoinedCluster { member, bus, config, tasks, .. }) => {
                attendance.in_cluster(bus.clone()).seating_in_cluster(
                    (member.clone(), bus.clone()),
                    config.admit_when_cut_off,
                    (self.clock.clone(), tasks.clone()),
                )
            }
            None => attendance,
        }
    }

    fn messages(&self, config: &Config, inboxes: Arc<LiveInboxes>) -> Messages {
        let (sockets, recoveries) = (self.sockets.clone(), self.recoveries.clone());
        let (pump, recent) = (Pump::start(&self.tasks, &self.connections), config.messages.recent);
        let emitter =
            Emitter::new(sockets, recoveries, (pump, self.bus()), recent, self.clock.clone());
        let acks = AckHistory::new(&config.messages, self.clock.clone());
        let (sockets, ledger) = (self.sockets.clone(), self.hooks.ledger().clone());
        let undelivered = UndeliveredHooks::new(sockets, ledger, self.clock.clone());
        let members = match &self.home {
            Home::Cluster(_) => MembersByRoom::Copy,
            Home::Alone(store) => MembersByRoom::Store(store.memberships()),
        };
        let others = (members, self.message_tasks.clone());
        Messages::new(Arc::new(emitter), inboxes, acks, undelivered, others)
    }

    /// What sends emits from elsewhere.
    pub(super) fn ingest(
        &self,
        config: &Config,
        realtime: &Realtime,
    ) -> Result<Ingest, IngestError> {
        let parts = IngestParts {
            messages: Arc::clone(&realtime.messages),
            everywhere: Arc::clone(&realtime.everywhere),
            namespaces: config.socketio.namespaces.as_slice().into(),
            ttl_max: config.inbox.keep,
            client_events: config.messages.clients.events().into(),
            cluster: self.home.cluster().map(|it| (it.member.clone(), it.config.lease)),
            payload_max: config.limits.payload_bytes,
        };
        Ingest::new(&config.ingest, &parts, &self.clock, &self.ingest_tasks)
    }
}

fn this_node(cluster: Option<&JoinedCluster>, clock: &Clock) -> ThisNode {
    let name = cluster.map_or_else(|| entropy::token("n").into(), |it| it.member.name());
    let host = uname().nodename().to_string_lossy().into();
    ThisNode { name, host, started_at: clock.wall() }
}

/// How clients come back without credentials, if they may.
fn resume(config: &Config, home: &Home, clock: &Clock) -> Result<Option<Resume>, BuildError> {
    let Some(ttl) = config.sessions.resume_ttl else { return Ok(None) };
    let JoinedCluster { member, config, .. } = match home {
        Home::Alone(store) => return Ok(Some(Resume::new(ttl, store.resume(), clock.clone()))),
        Home::Cluster(cluster) => &**cluster,
    };
    let key = config.secret.as_ref().and_then(|it| ResumeKey::of_cluster(it, &config.name));
    let key = key.ok_or(BuildError::NoResumeKey)?;
    let nodes = ClusterResume::new(member.clone());
    Ok(Some(Resume::in_cluster(ttl, (key, nodes), clock.clone())))
}

fn recoveries(
    config: &Config,
    clock: &Clock,
    cluster: Option<&JoinedCluster>,
) -> Recoveries<Arc<Socket>> {
    let (recovery, namespaces) = (&config.recovery, &config.socketio.namespaces);
    let replay_bytes_max = config.limits.buffer_bytes / 2;
    match cluster {
        None => Recoveries::new(recovery, namespaces, replay_bytes_max, clock.clone()),
        Some(it) => {
            let with = (clock.clone(), it.member.clone());
            Recoveries::in_cluster(recovery, namespaces, replay_bytes_max, with)
        }
    }
}
