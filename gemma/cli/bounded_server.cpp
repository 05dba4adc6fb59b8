#include "gemma/cli/bounded_server.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <functional>
#include <string>

namespace gemma {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Whether the socket is ready for `events` before `end`, and before the server ends.
bool wait_for(socket_t socket, short events, Clock::time_point end, const std::atomic<bool>& ending) {
    constexpr milliseconds longest{100};  // until it looks whether the server ends
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
        pollfd watched{socket, events, 0};
        const int ready = ::poll(&watched, 1, static_cast<int>(std::clamp(left, milliseconds(0), longest).count()));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
        if (left.count() <= 0 || ending) return false;
    }
}

// One connection's bytes, as httplib reads and writes them. The functions without `override` are those that a Stream
// has in some versions of httplib only.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Winconsistent-missing-override"
#endif
class BoundedStream : public httplib::Stream {
public:
    BoundedStream(socket_t socket, const ServerLimits& limits, const std::atomic<bool>& ending)
        : socket_(socket),
          ending_(ending),
          bytes_left_(limits.head + limits.body),
          request_end_(Clock::now() + limits.request),
          patience_(limits.answer) {}

    // NOLINTBEGIN(modernize-use-override)
    bool is_readable() const { return first_ < last_ || wait_readable(); }
    bool wait_readable() const { return wait_for(socket_, POLLIN, request_end_, ending_); }
    bool is_writable() const { return wait_writable(); }
    // A client that has closed its own side may still read: only a write can tell.
    bool wait_writable() const {
        const Clock::time_point start = Clock::now();
        const bool ready = wait_for(socket_, POLLOUT, start + patience_, ending_);
        patience_ -= Clock::now() - start;
        return ready;
    }
    std::time_t duration() const { return 0; }
    // NOLINTEND(modernize-use-override)

    ssize_t read(char* target, std::size_t size) override {
        if (first_ == last_) {
            const std::size_t most = std::min(buffer_.size(), bytes_left_);
            if (most == 0 || !wait_readable()) return -1;
            const ssize_t received = ::recv(socket_, buffer_.data(), most, 0);
            if (received <= 0) return received;
            first_ = 0;
            last_ = static_cast<std::size_t>(received);
            bytes_left_ -= last_;
        }
        const std::size_t count = std::min(size, last_ - first_);
        std::copy_n(buffer_.data() + first_, count, target);
        first_ += count;
        return static_cast<ssize_t>(count);
    }

    ssize_t write(const char* data, std::size_t size) override {
        for (;;) {
            if (!wait_writable()) return -1;
            const ssize_t sent = ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent >= 0 || (errno != EAGAIN && errno != EINTR)) return sent;
        }
    }

    void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
    void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
    socket_t socket() const override { return socket_; }

private:
    socket_t socket_;
    const std::atomic<bool>& ending_;
    std::array<char, 4096> buffer_{};
    std::size_t first_ = 0, last_ = 0;  // what of the buffer is still to be read
    std::size_t bytes_left_;
    Clock::time_point request_end_;
    mutable Clock::duration patience_;  // what is left of the time that the client has to take the answer
};

// Closes a connection so that the client gets the answer: closed with unread bytes, it would be reset instead.
void close_gently(socket_t socket, const std::atomic<bool>& ending) {
    constexpr milliseconds patience{500};
    constexpr std::size_t most = 4 << 20;  // bytes
    const Clock::time_point end = Clock::now() + patience;
    ::shutdown(socket, SHUT_WR);
    std::array<char, 4096> unread{};
    for (std::size_t count = 0; count < most; count += unread.size()) {
        if (!wait_for(socket, POLLIN, end, ending)) break;
        if (::recv(socket, unread.data(), unread.size(), 0) <= 0) break;
    }
    ::close(socket);
}

void refuse(BoundedStream& stream) {
    const std::string body = R"({"error": "too many connections at a time; try again in a second"})"
                             "\n";
    const std::string answer =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/json\r\n"
        "Connection: close\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    stream.write(answer.data(), answer.size());
}

using Setup = std::function<void(httplib::Request&)>;

// httplib's own part, which in later versions is handed the addresses of both sides.
template <typename Server>
auto process(bool (Server::*request)(httplib::Stream&, bool, bool&, const Setup&), Server& server,
             BoundedStream& stream, const Setup& setup) {
    bool closed = false;
    return (server.*request)(stream, /*close_connection=*/true, closed, setup);
}

template <typename Server, typename... Later>
auto process(bool (Server::*request)(httplib::Stream&, const std::string&, int, const std::string&, int, bool, bool&,
                                     const Setup&, Later...),
             Server& server, BoundedStream& stream, const Setup& setup) {
    bool closed = false;
    return (server.*request)(stream, "", 0, "", 0, /*close_connection=*/true, closed, setup, Later{}...);
}

// Counts what is open at a time.
class Counted {
public:
    explicit Counted(std::atomic<std::size_t>& open) : open_(open), number_(++open) {}
    ~Counted() { --open_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

    std::size_t number() const { return number_; }

private:
    std::atomic<std::size_t>& open_;
    std::size_t number_;
};

}  // namespace

BoundedServer::BoundedServer(const ServerLimits& limits) : limits_(limits) {
    constexpr std::size_t refusing = 8;  // threads for those over the limit
    new_task_queue = [connections = limits.connections] { return new httplib::ThreadPool(connections + refusing); };
    set_payload_max_length(limits.body);
}

void BoundedServer::widen_queue() { ::listen(svr_sock_, static_cast<int>(limits_.connections)); }

void BoundedServer::end() {
    ending_ = true;
    stop();
}

bool BoundedServer::process_and_close_socket(socket_t socket) {
    const Counted counted(open_);
    bool answered = false;
    try {
        BoundedStream stream(socket, limits_, ending_);
        if (counted.number() > limits_.connections || socket >= FD_SETSIZE) {
            refuse(stream);
        } else {
            // Parts of an answer are nothing that its own page asks for, and many of them make a large answer.
            const Setup setup = [](httplib::Request& request) { request.ranges.clear(); };
            answered = process(&BoundedServer::process_request, static_cast<httplib::Server&>(*this), stream, setup);
        }
    } catch (...) {
        // The answer had begun and ends in the middle, which the client sees: its last chunk does not come.
    }
    close_gently(socket, ending_);
    return answered;
}

}  // namespace gemma
