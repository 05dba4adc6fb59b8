// An HTTP server that no client can hold up or fill up.
//
// httplib limits each single read, so a client that sends a byte every few seconds keeps a thread for ever, and it
// reads lines, chunks and refused bodies of any length. Here a connection has a time and a number of bytes in all:
//
//   request   at most 10 s from its first byte to its last, and at most so many bytes
//   answer    at most 30 s of waiting for the client to take it; computing it is not counted
//   after     the connection is closed: what else a client sent with a request is never read as another one
//
// More connections than the limit are told to come back (status 503) before anything is read.
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <cstddef>

namespace gemma {

struct ServerLimits {
    std::size_t connections = 128;
    std::size_t body = 256 << 10;  // bytes
    std::size_t head = 32 << 10;   // bytes: the request line and the headers
    std::chrono::milliseconds request{10000};
    std::chrono::milliseconds answer{30000};
};

class BoundedServer : public httplib::Server {
public:
    explicit BoundedServer(const ServerLimits& limits = {});

    /// Lets many clients connect in one moment; httplib's own queue holds five. To be called after binding.
    void widen_queue();

    /// Ends listening and all waiting for clients; answers that are being computed are left to their makers.
    void end();

private:
    bool process_and_close_socket(socket_t socket) override;

    ServerLimits limits_;
    std::atomic<std::size_t> open_{0};
    std::atomic<bool> ending_{false};
};

}  // namespace gemma
