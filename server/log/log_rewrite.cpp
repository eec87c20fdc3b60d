#include "server/log/log_rewrite.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "server/core/errors.h"
#include "server/log/epoch_logs.h"
#include "server/log/failpoint.h"

namespace ncscope::server {
namespace {

[[noreturn]] void fail(const char* what, int error) {
  throw ResourceExhausted(std::string("log: cannot ") + what +
                          " one that is written anew: " + std::strerror(error));
}

}  // namespace

LogRewrite::LogRewrite(LogFile& log) : log_(log), path_(log.path().string() + kNewSuffix) {
  int error = failpoint("checkpoint.create");
  const int file =
      error != 0 ? -1 : ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail("create", error != 0 ? error : errno);
  file_ = std::make_shared<const OpenFile>(file);
}

LogRewrite::~LogRewrite() {
  if (!finished_) ::unlink(path_.c_str());
}

void LogRewrite::write(uint64_t offset, const void* data, size_t bytes) const {
  int error = failpoint("checkpoint.write");
  if (error == 0) error = write_at(file_->number, offset, data, bytes);
  if (error != 0) fail("write", error);
}

uint64_t LogRewrite::append(RecordType type, const BodyParts& body) {
  return append(type, [&](const Sink& sink) {
    for (const auto& part : body) sink(part);
  });
}

uint64_t LogRewrite::append(RecordType type, const std::function<void(const Sink&)>& write_body) {
  const uint64_t place = size_;
  RecordSeal seal;
  uint64_t next = place + sizeof(RecordHeader);
  write_body([&](std::span<const std::byte> piece) {
    if (piece.empty()) return;
    seal.add(piece);
    write(next, piece.data(), piece.size());
    next += piece.size();
  });
  const RecordHeader header = seal.header(type);
  write(place, &header, sizeof(header));
  size_ = next;
  return place;
}

uint64_t LogRewrite::copy(RecordType type, uint64_t place) {
  return append(type, BodyParts{log_.read(place, buffer_)});
}

void LogRewrite::finish() {
  const bool syncs = log_.series().logs().syncs();
  int error = failpoint("checkpoint.sync");
  if (error == 0 && syncs && ::fdatasync(file_->number) != 0) error = errno;
  if (error != 0) fail("sync", error);
  error = failpoint("checkpoint.rename");
  if (error == 0 && ::rename(path_.c_str(), log_.path().c_str()) != 0) error = errno;
  if (error != 0) fail("rename", error);
  finished_ = true;
  error = failpoint("checkpoint.renamed");
  if (error == 0 && syncs) error = log_.series().sync_folders();
  log_.replace(std::move(file_), size_, error);
}

}  // namespace ncscope::server
