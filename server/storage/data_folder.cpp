#include "server/storage/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

constexpr const char* kLayoutVersion = "ncscope data 1";

[[noreturn]] void refuse_folder(const std::filesystem::path& root, const std::string& why) {
  throw Error("data folder " + root.string() + ": " + why);
}

}  // namespace

DataFolder::DataFolder(std::filesystem::path root) : root_(std::move(root)) {
  std::error_code error;
  std::filesystem::create_directories(root_, error);
  if (error) refuse_folder(root_, "cannot create: " + error.message());
  lock();
  try {
    check_version();
    // What a server that was killed left behind; nobody else uses the folder now.
    std::filesystem::remove_all(spool(), error);
    for (const auto& folder : {spool(), log(), statistics()}) {
      std::filesystem::create_directories(folder, error);
      if (error) refuse_folder(root_, "cannot create " + folder.string() + ": " + error.message());
    }
  } catch (...) {
    ::close(lock_file_);
    throw;
  }
}

DataFolder::~DataFolder() { ::close(lock_file_); }

uint64_t DataFolder::room_for_logs() const {
  uint64_t bytes = std::filesystem::space(root_).available;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(log())) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

void DataFolder::lock() {
  const std::filesystem::path path = root_ / "LOCK";
  lock_file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_file_ < 0) refuse_folder(root_, std::string("not writable: ") + std::strerror(errno));
  if (::flock(lock_file_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_file_);
    refuse_folder(root_, "another ncscope-server uses it");
  }
}

void DataFolder::check_version() {
  const std::filesystem::path path = root_ / "VERSION";
  std::string version;
  if (std::ifstream in(path); std::getline(in, version)) {
    if (version == kLayoutVersion) return;
    refuse_folder(root_, std::string("expected '") + kLayoutVersion + "' in VERSION, got '" +
                             version.substr(0, 64) + "'");
  }
  // A folder of somebody else's: what lies under our names in it is not ours to clean.
  for (const auto& ours : {spool(), log(), statistics(), root_ / "reports.db"}) {
    if (!std::filesystem::exists(std::filesystem::symlink_status(ours))) continue;
    refuse_folder(root_, "expected a folder of ncscope-server (with a VERSION) or one without '" +
                             ours.filename().string() + "'; name another folder");
  }
  std::ofstream out(path);
  out << kLayoutVersion << "\n";
  out.close();
  if (!out) refuse_folder(root_, "cannot write VERSION");
}

}  // namespace ncscope::server
