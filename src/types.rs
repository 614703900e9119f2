//! The words of the program: parsed values that every other module speaks in. Nothing here decides.

mod change;
mod device;
mod ending;
mod event;
mod identity;
mod inbox;
mod namespace;
mod number;
mod origin;
mod reason;
mod room;
mod secret;
mod socket;
mod target;
mod text;
mod time;
mod undelivered;
mod user;

pub use change::{Change, ChangeKind};
pub use device::{DeviceId, DeviceIdError};
pub use ending::Ending;
pub use event::{EventName, EventNameError, Payload, PayloadError};
pub use identity::Identity;
pub use inbox::{CollapseKey, CollapseKeyError, ItemId, ItemIdError, ItemSeq};
pub use namespace::{Namespace, NamespaceError};
pub use number::{millis, saturating_u64};
pub use origin::{OriginRule, WebOrigin};
pub use reason::Reason;
pub use room::{Room, RoomError, RoomKind};
pub use secret::Secret;
pub use socket::{SocketId, SocketIdError};
pub use target::{Except, Target};
pub use text::TextError;
pub use time::{Moment, Seq, Timestamp, WallMs};
pub use undelivered::{Undelivered, WhyUndelivered};
pub use user::{UserId, UserIdError};
