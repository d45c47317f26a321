// SPDX-License-Identifier: GPL-3.0-or-later
// What a person does with the run that is selected: fork it, ask it for more steps, open its
// folder, move it to the bin and back; and with the list: import curves, tick what is shown.
#pragma once

#include <QMenu>
#include <QObject>
#include <QPointer>
#include <optional>

#include "ui/runs/run_list_model.h"
#include "ui/workspace.h"

namespace luthier {

class Banner;

/// Where a run went, so that it can come back.
struct BinnedRun {
  std::filesystem::path place, bin;
  std::uint64_t bytes = 0;
};
/// To the desktop's trash where there is one, else to the bin beside the runs. Works in any thread.
Result<BinnedRun> put_in_bin(const std::filesystem::path& run);
Status take_from_bin(const BinnedRun& run);

class RunActions : public QObject {
  Q_OBJECT

 public:
  RunActions(Workspace& workspace, Banner& banner, QWidget* page);
  QMenu* menu() const { return menu_; }
  void set_run(const RunRow* row);
  /// What is imported beside the runs of a folder.
  static std::vector<std::filesystem::path> imported();

 signals:
  void rename_asked();
  void list_changed();
  /// A new run is there and is to be started.
  void start_asked(const QString& folder);
  /// Nothing more is to be written into this folder: it goes away.
  void leaves(const std::filesystem::path& run);
  void tick_asked(bool all);

 private:
  QAction* add(const char* name, void (RunActions::*done)());
  void fork();
  void more_steps();
  void open_folder();
  void export_result();
  void chat();
  void bin();
  void import_curves();
  void forget_imported();
  void show_bytes();
  void refresh();
  void retranslate();
  void show_dialog(int kind);

  Workspace& workspace_;
  Banner& banner_;
  QWidget* page_;
  QMenu* menu_;
  QAction *fork_, *more_, *export_, *chat_, *rename_, *open_, *bin_, *import_, *forget_, *all_,
      *none_;
  std::optional<RunRow> row_;
  std::optional<std::uint64_t> bytes_;
};

}  // namespace luthier
