// SPDX-License-Identifier: GPL-3.0-or-later
// A post is made under another name and renamed, so that one that is there has all that it needs.
#include "engine/runs/elsewhere/run_post.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "engine/config/stages.h"
#include "engine/io/files.h"
#include "engine/runs/elsewhere/journal.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/stage_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr int kPatienceMilliseconds = 30'000;    // of a process that reads its commands
constexpr int kBeginningMilliseconds = 120'000;  // of one that does not yet
constexpr int kBeginningLookMilliseconds = 20;
constexpr std::int64_t kKept = 14 * 24 * 60 * 60;               // seconds
constexpr std::uint64_t kLostNumbers = std::uint64_t{1} << 20;  // more than can have been lost

constexpr const char* kBootFile = ".boot";

std::string environment_text(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "machine";
  std::string text = name;
  std::replace(text.begin(), text.end(), '/', '-');
  return text[0] == '.' ? "machine" : text;
}

Descriptor open_lock(const fs::path& path) {
  return Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

/// False: another process holds it.
Result<bool> lock_file(const Descriptor& file, const fs::path& path) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return system_error("This file cannot be locked", path, errno);
}

std::int64_t written_last(const RunPost& post) {
  struct stat about {};
  for (const fs::path& each : {post.journal(), post.order(), post.folder})
    if (::stat(each.c_str(), &about) == 0) return about.st_mtime;
  return 0;
}

/// What this kernel is called since it began. Who has it in common has locks and pipes in common,
/// whatever the machine is called meanwhile.
std::string boot_name() {
  const auto name = read_file("/proc/sys/kernel/random/boot_id", 256);
  return name ? *name : std::string();
}

/// The posts under names that this machine had before, since it was started.
std::vector<fs::path> former_folders(const fs::path& own) {
  std::vector<fs::path> former;
  const std::string boot = boot_name();
  std::error_code problem;
  fs::directory_iterator walk(own.parent_path(), problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    if (walk->path() == own) continue;
    const auto named = read_file(walk->path() / kBootFile, 256);
    if (named && !boot.empty() && *named == boot) former.push_back(walk->path());
  }
  return former;
}

/// What stands among this machine's posts, those that are half made too.
std::vector<RunPost> all_folders() {
  std::vector<RunPost> found;
  const auto own = posts_folder();
  if (!own) return found;
  std::vector<fs::path> folders = former_folders(*own);
  folders.push_back(*own);
  for (const fs::path& folder : folders) {
    std::error_code problem;
    fs::directory_iterator walk(folder, problem);
    for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem))
      found.push_back({walk->path().filename().string(), walk->path()});
  }
  return found;
}

std::vector<RunPost> all_posts() {
  std::vector<RunPost> posts = all_folders();
  std::erase_if(posts, [](const RunPost& post) { return !good_run_name(post.run); });
  return posts;
}

/// Where a post is made until it has all that it needs. One whose maker died stays so.
fs::path half_made(const RunPost& post) {
  return post.folder.parent_path() / ("." + post.run + "." + std::to_string(::getpid()) + ".new");
}
bool is_half_made(const RunPost& folder) {
  return folder.run.starts_with(".") && folder.run.ends_with(".new");
}

/// → its lock
Result<Descriptor> fill_post(const RunPost& fresh, const LaunchOrder& order) {
  Descriptor lock = open_lock(fresh.lock());
  if (lock.get() < 0) return system_error("This file cannot be written", fresh.lock(), errno);
  LUTHIER_TRY(const bool ours, lock_file(lock, fresh.lock()));
  if (!ours) return input_error("Another start of this run is under way.", fresh.run);
  if (::mkfifo(fresh.commands().c_str(), 0600) != 0)
    return system_error("This file cannot be made", fresh.commands(), errno);
  LUTHIER_CHECK(write_file_atomically(fresh.order(), json_line(to_json(order)) + "\n"));
  return lock;
}

/// To write to. A process that lives and does not read yet is only beginning.
Descriptor open_commands(const RunPost& post) {
  for (int waited = 0;; waited += kBeginningLookMilliseconds) {
    Descriptor pipe(::open(post.commands().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    const bool nobody = pipe.get() < 0 && errno == ENXIO;
    if (!nobody || waited >= kBeginningMilliseconds || !post.is_held()) return pipe;
    ::usleep(kBeginningLookMilliseconds * 1000);
  }
}

/// The newest checkpoint of a run, or of the stage that a run of stages was at.
std::optional<std::int64_t> goes_on_from(const fs::path& output) {
  if (const auto run = summarize_run(output)) return run->newest_checkpoint;
  std::optional<std::int64_t> newest;
  if (const auto stages = read_stage_records(output))
    for (const StageRecord& stage : *stages)
      if (const auto run = summarize_run(output / stage.folder)) newest = run->newest_checkpoint;
  return newest;
}

Json end_of_killed(const RunPost& post) {
  const auto order = read_post_order(post);
  fs::path output;
  if (order)
    if (auto found = output_of(*order)) output = found.take();
  const auto step = output.empty() ? std::nullopt : goes_on_from(output);
  const Error error = machine_error(
      "The run's process ended without a word: it was killed, or its machine went down.",
      output.string(),
      step ? "It can go on from step " + std::to_string(*step) + "."
           : "It had saved nothing yet. What it said last stands in " + post.log().string() + ".");
  return {{"event", "run_ended"},
          {"folder", output.string()},
          {"state", "interrupted"},
          {"error", to_json(error)},
          {"seconds", 0.0}};
}

}  // namespace

bool RunPost::exists() const {
  std::error_code problem;
  return fs::exists(order(), problem);
}

bool RunPost::is_held() const {
  const Descriptor file(::open(lock().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return false;
  struct flock asked {};
  asked.l_type = F_WRLCK;
  asked.l_whence = SEEK_SET;
  return ::fcntl(file.get(), F_OFD_GETLK, &asked) == 0 && asked.l_type != F_UNLCK;
}

Result<fs::path> posts_folder() {
  fs::path base = environment_text("XDG_STATE_HOME");
  if (!base.is_absolute()) {
    base = environment_text("HOME");
    if (!base.is_absolute())
      return input_error("Runs elsewhere need a place of this user's.", "HOME",
                         "Set HOME, or XDG_STATE_HOME.");
    base = base / ".local" / "state";
  }
  return base / "luthier" / "runs" / machine_name();
}

Result<RunPost> post_of(const std::string& run) {
  if (!good_run_name(run))
    return input_error("A run's name is 8 to 64 of a-z, 0-9 and \"-\".", run);
  LUTHIER_TRY(const fs::path folder, posts_folder());
  const RunPost post{run, folder / run};
  if (post.exists()) return post;
  for (const fs::path& former : former_folders(folder))
    if (const RunPost found{run, former / run}; found.exists()) return found;
  return post;
}

Result<Descriptor> make_post(const RunPost& post, const LaunchOrder& order) {
  std::error_code problem;
  fs::create_directories(post.folder.parent_path(), problem);
  if (const Status named =
          write_file_atomically(post.folder.parent_path() / kBootFile, boot_name());
      !named)
    return named.error();
  // Two that start one run at once have a folder each; one of the two is then the post.
  const RunPost fresh{post.run, half_made(post)};
  fs::remove_all(fresh.folder, problem);  // of one who died while making it
  if (::mkdir(fresh.folder.c_str(), 0700) != 0)
    return system_error("This folder cannot be made", fresh.folder, errno);
  auto lock = fill_post(fresh, order);
  // rename(2) takes the place of an empty folder, but not of a post.
  if (lock && ::rename(fresh.folder.c_str(), post.folder.c_str()) != 0)
    lock = system_error("This run has a post already, or none can be made", post.folder, errno);
  if (!lock) fs::remove_all(fresh.folder, problem);
  return lock;
}

Result<LaunchOrder> read_post_order(const RunPost& post) {
  LUTHIER_TRY(const std::string text, read_file(post.order(), kLongestCommand));
  LUTHIER_TRY(const ServeOrder order, read_order(text));
  if (const auto* launch = std::get_if<LaunchOrder>(&order)) return *launch;
  return input_error("This is no order of a run.", post.order().string());
}

Result<std::optional<Descriptor>> take_post(const RunPost& post) {
  Descriptor lock = open_lock(post.lock());
  if (lock.get() < 0) return system_error("This file cannot be written", post.lock(), errno);
  LUTHIER_TRY(const bool ours, lock_file(lock, post.lock()));
  if (!ours) return std::optional<Descriptor>();
  return std::optional<Descriptor>(std::move(lock));
}

Status send_to_post(const RunPost& post, const std::string& line) {
  const Error gone =
      machine_error("The run's process does not read its commands any more.", post.run);
  // One writer at a time: a long line goes into a pipe in pieces.
  const fs::path turn = post.folder / "turn";
  const Descriptor waits = open_lock(turn);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (waits.get() < 0 || ::fcntl(waits.get(), F_OFD_SETLKW, &lock) != 0)
    return system_error("This file cannot be locked", turn, errno);
  const Descriptor pipe = open_commands(post);
  if (pipe.get() < 0) return gone;
  // The first line end closes what another writer may have left unfinished.
  const std::string text = "\n" + line + "\n";
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t put = ::write(pipe.get(), text.data() + sent, text.size() - sent);
    if (put > 0) {
      sent += static_cast<std::size_t>(put);
    } else if (put < 0 && errno == EAGAIN) {
      pollfd room{pipe.get(), POLLOUT, 0};
      if (::poll(&room, 1, kPatienceMilliseconds) == 0 || (room.revents & POLLERR)) return gone;
    } else if (put < 0 && errno != EINTR) {
      return gone;
    }
  }
  return {};
}

Status close_journal(const RunPost& post) {
  LUTHIER_TRY(const std::optional<Descriptor> lock, take_post(post));
  if (!lock) return {};
  LUTHIER_TRY(JournalWriter journal, JournalWriter::open(post.journal()));
  JournalReader reader(post.journal(), journal.last() == 0 ? 0 : journal.last() - 1);
  LUTHIER_TRY(const auto lines, reader.read_on());
  if (!lines.empty()) {
    const auto event = parse_json(lines.back(), "journal");
    if (event && event->contains("event") && (*event)["event"] == "run_ended") return {};
  }
  // A client may have events that a power cut, or writing it anew, took out of the journal.
  journal.skip(kLostNumbers);
  return journal.append(end_of_killed(post));
}

std::vector<PostedRun> list_posts() {
  std::vector<PostedRun> runs;
  for (const RunPost& post : all_posts()) {
    const auto order = read_post_order(post);
    if (!order) continue;
    PostedRun run{post.run, {}, post.is_held(), written_last(post)};
    if (auto output = output_of(*order)) run.output = output.take();
    runs.push_back(std::move(run));
  }
  std::sort(runs.begin(), runs.end(), [](const PostedRun& a, const PostedRun& b) {
    return std::pair(b.written, b.run) < std::pair(a.written, a.run);
  });
  return runs;
}

Json to_json(const PostedRun& run) {
  return {{"run", run.run},
          {"output", run.output.string()},
          {"running", run.held},
          {"written", run.written}};
}

void sweep_posts() {
  const std::int64_t now = std::time(nullptr);
  std::error_code problem;
  for (const RunPost& folder : all_folders()) {
    if (now - written_last(folder) < kKept) continue;
    if (is_half_made(folder)) fs::remove_all(folder.folder, problem);
    if (!good_run_name(folder.run)) continue;
    const auto lock = take_post(folder);
    if (lock && *lock) fs::remove_all(folder.folder, problem);
  }
}

Result<fs::path> output_of(const LaunchOrder& order) {
  if (!order.resume.empty()) return (order.folder / order.resume).lexically_normal();
  LUTHIER_TRY(const auto staged, parse_staged_recipe(order.recipe, "recipe"));
  if (staged) return (order.folder / staged->output_dir).lexically_normal();
  LUTHIER_TRY(const Recipe recipe, parse_recipe(order.recipe, "recipe"));
  return (order.folder / recipe.output_dir).lexically_normal();
}

}  // namespace luthier
