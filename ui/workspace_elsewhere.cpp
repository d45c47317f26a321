// SPDX-License-Identifier: GPL-3.0-or-later
// The workspace's runs elsewhere: where a launch goes, what is found again. Those of this machine
// are found by their posts; of another machine's the window keeps a note until their end has come.
#include <QDir>
#include <QFileInfo>
#include <QSettings>
#include <algorithm>

#include "engine/runs/elsewhere/followed_files.h"
#include "engine/runs/elsewhere/run_post.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/workspace.h"

namespace luthier {

namespace {

const QString kNotes = QStringLiteral("runs_elsewhere");
const QString kHost = QStringLiteral("elsewhere_host"),
              kFolder = QStringLiteral("elsewhere_folder");
constexpr int kMostNotes = 20;
const QChar kTab = QLatin1Char('\t');

QString note_of(const FoundElsewhere& run) {
  return QStringList{QString::fromStdString(run.run), QString::fromStdString(run.place.host),
                     path_text(run.place.folder), path_text(run.place.mirror), run.name}
      .join(kTab);
}

std::vector<FoundElsewhere> noted() {
  std::vector<FoundElsewhere> runs;
  for (const QString& note : QSettings().value(kNotes).toStringList()) {
    const QStringList parts = note.split(kTab);
    if (parts.size() != 5) continue;
    runs.push_back({{parts[1].toStdString(), to_path(parts[2]), to_path(parts[3])},
                    parts[0].toStdString(),
                    parts[4],
                    {}});
  }
  return runs;
}

void note_down(const FoundElsewhere& run) {
  QStringList notes = QSettings().value(kNotes).toStringList();
  notes.prepend(note_of(run));
  notes.removeDuplicates();
  QSettings().setValue(kNotes, QStringList(notes.mid(0, kMostNotes)));
}

void forget_note(const std::string& run) {
  QStringList notes = QSettings().value(kNotes).toStringList();
  const QString start = QString::fromStdString(run) + kTab;
  notes.erase(std::remove_if(notes.begin(), notes.end(),
                             [&](const QString& each) { return each.startsWith(start); }),
              notes.end());
  QSettings().setValue(kNotes, notes);
}

/// Runs in processes of their own on this machine.
std::vector<FoundElsewhere> posted() {
  std::vector<FoundElsewhere> runs;
  for (const PostedRun& run : list_posts())
    if (run.held) runs.push_back({{}, run.run, path_text(run.output.filename()), run.output});
  return runs;
}

}  // namespace

void Workspace::connect_elsewhere() {
  where_.host = QSettings().value(kHost).toString();
  where_.folder = QSettings().value(kFolder).toString();
  connect(&bridge_, &SessionBridge::run_ended, this, [this](const RunEnded& event) {
    if (far_run_.empty()) return;
    if (event.state != run_state_name(RunState::Running)) forget_note(far_run_);
    far_run_.clear();
  });
  connect(&bridge_, &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command != "launch" || far_run_.empty() || session().has_run()) return;
    forget_note(far_run_);
    far_run_.clear();
  });
}

void Workspace::set_where(const RunsWhere& where) {
  where_ = where;
  QSettings().setValue(kHost, where.host);
  QSettings().setValue(kFolder, where.folder);
}

bool Workspace::launch_elsewhere(const std::string& yaml,
                                 const std::optional<std::filesystem::path>& resume,
                                 const std::filesystem::path& program) {
  ElsewhereOrder order{yaml, {}, program};
  RunPlace place;
  QString name = QFileInfo(QString::fromStdString(recipe_.output_dir)).fileName();
  const auto mirrored = resume ? read_mirrored(*resume) : std::nullopt;
  if (mirrored) {  // it goes on where it was
    place = {mirrored->host, mirrored->folder, *resume};
    order.resume_run = mirrored->output;
  } else if (where_.kind == RunsWhere::Kind::Host && !resume) {
    place.host = where_.host.trimmed().toStdString();
    place.folder = to_path(where_.folder.trimmed());
    QString machine = where_.host.trimmed();
    machine.replace(QLatin1Char('/'), QLatin1Char('-'));
    place.mirror = to_path(QDir::current().absoluteFilePath(
        free_run_folder(QStringLiteral("runs/%1@%2").arg(name, machine))));
  } else if (where_.kind == RunsWhere::Kind::Process) {
    place.folder = to_path(QDir::currentPath());
    if (resume) order.resume_run = *resume;
  } else {
    return false;  // this machine's own runs go on here
  }
  if (where_.kind == RunsWhere::Kind::Host && place.host.empty()) {
    launching_ = false;
    emit launch_refused(input_error("The other machine has no name.", "ssh",
                                    "Write it as for ssh: name, or user@name."));
    return true;
  }
  far_run_ = session().launch_elsewhere(place, order);
  if (!place.host.empty()) note_down({place, far_run_, name, {}});
  return true;
}

void Workspace::find_elsewhere(QObject* asker,
                               std::function<void(std::vector<FoundElsewhere>)> then) {
  in_background_of(
      asker, [] { return posted(); },
      [this, then = std::move(then)](std::vector<FoundElsewhere> found) {
        for (FoundElsewhere& each : noted()) found.push_back(std::move(each));
        std::erase_if(found, [this](const FoundElsewhere& each) { return each.run == far_run_; });
        then(std::move(found));
      });
}

void Workspace::attach_run(const FoundElsewhere& found) {
  if (launching_ || session().has_run() || !can_launch(state())) return;
  launching_ = true;
  stage_.reset();
  far_run_ = found.run;
  session().attach_run(found.place, found.run);
}

QString Workspace::place_of_run() const {
  const auto far = bridge_.session().run_elsewhere();
  if (!far) return {};
  return far->place.host.empty() ? tr("in a process of its own")
                                 : tr("on %1").arg(QString::fromStdString(far->place.host));
}

}  // namespace luthier
