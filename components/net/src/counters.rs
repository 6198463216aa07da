//! What a stack has done, for whoever watches it.

/// Events since the stack was made, and what there is now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Frames taken from the device.
    pub frames_received: u64,
    /// Packets that were dropped because a length, a checksum or an address was wrong.
    pub malformed: u64,
    /// Times that a connection was asked what it has to send. Idle connections add nothing.
    pub polls: u64,
    /// RST segments sent in answer to segments of no connection.
    pub resets: u64,
    /// SYN segments dropped because no more connections may wait.
    pub refused_connections: u64,
    /// Segments dropped because their idle connection could not be given memory.
    pub refused_segments: u64,
    /// Datagrams dropped because their socket's buffer was full.
    pub dropped_datagrams: u64,
    /// Connections there are now, those that nobody owns any more included.
    pub connections: usize,
    /// Of these, how many hold buffers now.
    pub buffered_connections: usize,
    /// Ended connections that are remembered now.
    pub time_wait: usize,
}
