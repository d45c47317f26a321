// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/kept_menu.h"

#include <QDateTime>
#include <QFileDialog>
#include <algorithm>
#include <set>

#include "engine/compare/kept_comparison.h"
#include "engine/compare/result_folder.h"
#include "ui/background.h"
#include "ui/compare/results.h"
#include "ui/format.h"

namespace luthier {

namespace {
constexpr std::size_t kMostListed = 20;
}

KeptMenu::KeptMenu(Workspace& workspace, LiveComparison& comparison, QWidget* parent)
    : QMenu(parent), workspace_(workspace), comparison_(comparison) {
  setObjectName(QStringLiteral("keptMenu"));
  connect(this, &QMenu::aboutToShow, this, &KeptMenu::fill);
  connect(&workspace_, &Workspace::adapters_changed, this, [this] {
    if (opening_ && missing().isEmpty()) go_on();
  });
  connect(&workspace_.bridge(), &SessionBridge::command_failed, this,
          [this](const CommandFailed& event) {
            if (opening_ && event.command == "attach_adapter") go_on();
          });
}

void KeptMenu::fill() {
  clear();
  const bool answered = comparison_.data().answered() > 0;
  QAction* own = addAction(tr("Keep with the run"), this, &KeptMenu::keep);
  own->setObjectName(QStringLiteral("keepComparison"));
  own->setEnabled(answered && !run_of(comparison_.data()).empty());
  addSeparator();
  std::set<std::filesystem::path> runs;
  for (const ComparisonColumn& column : comparison_.data().columns)
    if (!column.is_base()) runs.insert(run_of(column));
  for (const QString& folder : finished_results(workspace_.recipe())) {
    ComparisonColumn column;
    column.adapter = folder.toStdString();
    runs.insert(run_of(column));
  }
  std::size_t listed = 0;
  for (const auto& run : runs) {
    if (run.empty()) continue;
    for (const KeptComparison& each : kept_comparisons(run)) {
      if (++listed > kMostListed) break;
      const QString file = path_text(each.file);
      addAction(QString::fromStdString(each.name), this, [this, file] {
        open(file);
      })->setToolTip(file);
    }
  }
  if (listed > 0) addSeparator();
  addAction(tr("Open a kept comparison…"), this, [this] {
    const QString file = QFileDialog::getOpenFileName(this, tr("Open a kept comparison"), {},
                                                      QStringLiteral("JSON (*.json)"));
    if (!file.isEmpty()) open(file);
  })->setObjectName(QStringLiteral("openComparison"));
}

void KeptMenu::keep() {
  const std::filesystem::path run = run_of(comparison_.data());
  if (run.empty() || comparison_.data().answered() == 0) return;
  const std::string name =
      QDateTime::currentDateTime().toString(QStringLiteral("yyyy-MM-dd hh.mm")).toStdString();
  in_background_of(
      this, [data = comparison_.data(), run, name] { return keep_comparison(data, run, name); },
      [this](const Result<std::filesystem::path>& written) {
        if (!written)
          emit failed(written.error());
        else
          emit kept(path_text(*written));
      });
}

void KeptMenu::open(const QString& file) {
  in_background_of(
      this, [file] { return read_comparison(to_path(file)); },
      [this, file](Result<Comparison> read) {
        if (!read)
          emit failed(read.error());
        else
          begin(read.take(), file);
      });
}

void KeptMenu::begin(Comparison comparison, const QString& file) {
  const auto& model = workspace_.model();
  std::error_code problem;
  const bool same =
      model && (model->summary.folder == comparison.model ||
                std::filesystem::equivalent(model->summary.folder, comparison.model, problem));
  if (!same)
    return emit failed(input_error(
        "The comparison was made on another model: " + readable_model_name(comparison.model) + ".",
        comparison.model.string(), "Load that model first, then open the comparison again."));
  opening_ = std::move(comparison);
  file_ = file;
  const QStringList lacking = missing();
  if (lacking.isEmpty()) return go_on();
  for (const QString& folder : lacking) workspace_.attach_adapter(folder);
}

/// Folders of its columns that are not attached.
QStringList KeptMenu::missing() const {
  QStringList folders;
  for (const ComparisonColumn& column : opening_->columns) {
    if (column.is_base() || column.router) continue;
    const auto there = [&](const AttachedAdapter& each) {
      return each.folder.string() == column.adapter;
    };
    if (std::none_of(workspace_.adapters().begin(), workspace_.adapters().end(), there))
      folders << QString::fromStdString(column.adapter);
  }
  return folders;
}

void KeptMenu::go_on() {
  const QStringList lacking = missing();
  const Comparison kept = *std::exchange(opening_, std::nullopt);
  for (const ComparisonColumn& column : kept.columns) {
    for (const AttachedAdapter& each : workspace_.adapters()) {
      if (each.folder.string() != column.adapter || each.whole || each.strength == column.strength)
        continue;
      const std::string name = each.name;
      workspace_.set_strength(name, column.strength);
      comparison_.set_strength(name, column.strength);
    }
  }
  comparison_.restore(kept);
  emit opened(file_, lacking);
}

}  // namespace luthier
