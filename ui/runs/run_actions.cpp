// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_actions.h"

#include <QDesktopServices>
#include <QFile>
#include <QFileDialog>
#include <QSettings>
#include <QUrl>

#include "engine/compare/result_folder.h"
#include "engine/runs/foreign_run.h"
#include "engine/runs/run_bin.h"
#include "ui/background.h"
#include "ui/chat/chat_window.h"
#include "ui/exporting/export_dialog.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/runs/fork_dialog.h"
#include "ui/widgets/banner.h"

namespace luthier {

namespace {
const QString kImported = QStringLiteral("imported_curves");
}

Result<BinnedRun> put_in_bin(const std::filesystem::path& run) {
  LUTHIER_CHECK(check_may_move(run));
  BinnedRun binned{run, {}, 0};
  LUTHIER_TRY(binned.bytes, folder_bytes(run));
  QString place;
  if (QFile::moveToTrash(path_text(run), &place) && !place.isEmpty()) {
    binned.bin = to_path(place);
    return binned;
  }
  LUTHIER_TRY(binned.bin, move_to_bin(run));
  return binned;
}

Status take_from_bin(const BinnedRun& run) {
  LUTHIER_CHECK(bring_back(run.bin, run.place));
  // The desktop's note of where it was.
  const std::filesystem::path trash = run.bin.parent_path().parent_path();
  if (run.bin.parent_path().filename() == "files") {
    std::error_code ignored;
    std::filesystem::remove(trash / "info" / (run.bin.filename().string() + ".trashinfo"), ignored);
  }
  return {};
}

RunActions::RunActions(Workspace& workspace, Banner& banner, QWidget* page)
    : QObject(page), workspace_(workspace), banner_(banner), page_(page) {
  menu_ = new QMenu(page);
  menu_->setObjectName(QStringLiteral("runMenu"));
  menu_->setToolTipsVisible(true);
  fork_ = add("forkRun", &RunActions::fork);
  more_ = add("extendRun", &RunActions::more_steps);
  menu_->addSeparator();
  chat_ = add("chatWithRun", &RunActions::chat);
  export_ = add("exportRun", &RunActions::export_result);
  menu_->addSeparator();
  rename_ = add("renameRun", &RunActions::rename_asked);
  open_ = add("openRunFolder", &RunActions::open_folder);
  bin_ = add("binRun", &RunActions::bin);
  menu_->addSeparator();
  import_ = add("importCurves", &RunActions::import_curves);
  forget_ = add("forgetCurves", &RunActions::forget_imported);
  menu_->addSeparator();
  all_ = menu_->addAction(QString(), this, [this] { emit tick_asked(true); });
  all_->setObjectName(QStringLiteral("tickShown"));
  none_ = menu_->addAction(QString(), this, [this] { emit tick_asked(false); });
  none_->setObjectName(QStringLiteral("tickNone"));
  connect(menu_, &QMenu::aboutToShow, this, &RunActions::show_bytes);
  on_language(menu_, [this] { retranslate(); });
}

QAction* RunActions::add(const char* name, void (RunActions::*done)()) {
  QAction* action = menu_->addAction(QString(), this, done);
  action->setObjectName(QLatin1String(name));
  return action;
}

void RunActions::retranslate() {
  fork_->setText(tr("&Fork from a checkpoint…"));
  fork_->setToolTip(tr("A new run that begins with one of its checkpoints, with other settings"));
  more_->setText(tr("&More steps…"));
  more_->setToolTip(tr("A new run that goes on from a finished one"));
  chat_->setText(tr("&Chat with its result…"));
  export_->setText(tr("E&xport its result…"));
  export_->setToolTip(tr("GGUF for llama.cpp and Ollama, a checkpoint, a PEFT folder"));
  rename_->setText(tr("&Rename"));
  open_->setText(tr("&Open its folder"));
  import_->setText(tr("&Import curves of another program…"));
  import_->setToolTip(tr("TensorBoard's event files or a trainer_state.json, to lay over"));
  forget_->setText(tr("&Take the imported curves out of the list"));
  all_->setText(tr("Tick &all shown"));
  none_->setText(tr("Tick n&one"));
  refresh();
}

void RunActions::set_run(const RunRow* row) {
  const bool same = row && row_ && row_->summary.path == row->summary.path;
  row_ = row ? std::optional<RunRow>(*row) : std::nullopt;
  if (!same) bytes_.reset();
  refresh();
}

void RunActions::refresh() {
  const bool own = row_ && !row_->foreign, idle = own && !row_->summary.active;
  fork_->setEnabled(own && row_->recipe && row_->summary.newest_checkpoint);
  more_->setEnabled(own && row_->recipe && row_->summary.manifest.state == RunState::Finished);
  const bool result = own && (row_->summary.has_adapter || find_result(row_->summary.path).ok());
  chat_->setEnabled(result);
  export_->setEnabled(result);
  rename_->setEnabled(idle);
  open_->setEnabled(row_.has_value());
  bin_->setEnabled(idle);
  forget_->setEnabled(row_ && row_->foreign);
  bin_->setText(
      bytes_ ? tr("Move to the &bin (%1)").arg(bytes_text(static_cast<std::int64_t>(*bytes_)))
             : tr("Move to the &bin"));
  bin_->setToolTip(row_ && row_->summary.active ? tr("It trains now: stop it first") : QString());
}

void RunActions::show_bytes() {
  if (!row_ || row_->foreign || bytes_) return;
  const std::filesystem::path run = row_->summary.path;
  in_background_of(
      this, [run] { return folder_bytes(run); },
      [this, run](const Result<std::uint64_t>& bytes) {
        if (!bytes || !row_ || row_->summary.path != run) return;
        bytes_ = *bytes;
        refresh();
      });
}

void RunActions::show_dialog(int kind) {
  if (!row_ || !row_->recipe) return;
  auto* dialog = new ForkDialog(workspace_, static_cast<ForkDialog::Kind>(kind), row_->summary.path,
                                *row_->recipe, page_);
  connect(dialog, &ForkDialog::forked, this, [this](const QString& folder, bool start) {
    emit list_changed();
    if (start) emit start_asked(folder);
  });
  dialog->show();
}

void RunActions::fork() { show_dialog(static_cast<int>(ForkDialog::Kind::Fork)); }
void RunActions::more_steps() { show_dialog(static_cast<int>(ForkDialog::Kind::MoreSteps)); }

void RunActions::export_result() {
  if (row_) ExportDialog::of(workspace_, page_)->show_result(path_text(row_->summary.path));
}

void RunActions::chat() {
  if (row_) ChatWindow::of(workspace_, page_)->talk_with(path_text(row_->summary.path));
}

void RunActions::open_folder() {
  if (!row_) return;
  const std::filesystem::path& path = row_->summary.path;
  std::error_code problem;
  const bool folder = std::filesystem::is_directory(path, problem);
  QDesktopServices::openUrl(QUrl::fromLocalFile(
      path_text(std::filesystem::absolute(folder ? path : path.parent_path(), problem))));
}

void RunActions::bin() {
  if (!row_ || row_->foreign || row_->summary.active) return;
  const std::filesystem::path run = row_->summary.path;
  emit leaves(run);
  in_background_of(
      this, [run] { return put_in_bin(run); },
      [this](const Result<BinnedRun>& binned) {
        emit list_changed();
        if (!binned) {
          banner_.show_error(binned.error());
          return;
        }
        banner_.show_text(
            Banner::Kind::Info,
            tr("%1 (%2) is in the bin: %3.")
                .arg(path_text(binned->place.filename()),
                     bytes_text(static_cast<std::int64_t>(binned->bytes)), path_text(binned->bin)));
        banner_.set_about(QStringLiteral("bin"));
        banner_.offer(tr("Undo"), [this, gone = *binned] {
          in_background_of(
              this, [gone] { return take_from_bin(gone); },
              [this](const Status& back) {
                if (back)
                  banner_.dismiss_about(QStringLiteral("bin"));
                else
                  banner_.show_error(back.error());
                emit list_changed();
              });
        });
      });
}

std::vector<std::filesystem::path> RunActions::imported() {
  std::vector<std::filesystem::path> paths;
  for (const QString& path : QSettings().value(kImported).toStringList())
    paths.push_back(to_path(path));
  return paths;
}

void RunActions::import_curves() {
  const QString file = QFileDialog::getOpenFileName(
      page_, tr("Event files of TensorBoard, or a trainer_state.json"), QString(),
      tr("Curves (*tfevents* trainer_state.json);;All files (*)"));
  if (file.isEmpty()) return;
  in_background_of(
      this, [path = to_path(file)] { return read_foreign_run(path); },
      [this, file](const Result<ForeignRun>& run) {
        if (!run) {
          banner_.show_error(run.error());
          return;
        }
        QStringList paths = QSettings().value(kImported).toStringList();
        if (!paths.contains(file)) paths << file;
        QSettings().setValue(kImported, paths);
        emit list_changed();
      });
}

void RunActions::forget_imported() {
  if (!row_ || !row_->foreign) return;
  QStringList paths = QSettings().value(kImported).toStringList();
  paths.removeAll(path_text(row_->summary.path));
  QSettings().setValue(kImported, paths);
  emit list_changed();
}

}  // namespace luthier
