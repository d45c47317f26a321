// SPDX-License-Identifier: GPL-3.0-or-later
// The table's contents.
#include "ui/runs/run_list_model.h"

#include <QDateTime>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "engine/runs/foreign_run.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/runs/path_tails.h"
#include "ui/theme.h"

namespace luthier {

namespace {

/// The newest line of a run that goes on: run.json is written at saves alone.
std::optional<MetricsLine> newest_line(const std::filesystem::path& run) {
  constexpr std::streamoff kTail = 16 * 1024;  // holds many lines
  std::ifstream file(run / "metrics.jsonl", std::ios::binary);
  if (!file.seekg(0, std::ios::end)) return {};
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  std::optional<MetricsLine> newest;
  for (std::string text; std::getline(file, text);) {
    if (file.eof()) break;  // still being written
    const auto json = parse_json(text, "metrics.jsonl");
    if (!json) continue;
    if (auto line = metrics_from_json(*json, "metrics.jsonl")) newest = line.take();
  }
  return newest;
}

void take_over(const MetricsLine& line, RunManifest& manifest) {
  manifest.step = line.step;
  manifest.last_loss = line.loss;
  manifest.peak_memory = std::max(manifest.peak_memory, line.memory.peak);
  const bool better =
      line.eval_loss && (!manifest.best_eval_loss || *line.eval_loss < *manifest.best_eval_loss);
  if (better) manifest.best_eval_loss = line.eval_loss;
}

void name_data(std::vector<RunRow>& rows) {
  std::vector<std::string> files;
  for (const RunRow& row : rows)
    if (row.recipe)
      files.insert(files.end(), row.recipe->dataset.begin(), row.recipe->dataset.end());
  const std::map<std::string, QString> tails = path_tails(files);
  for (RunRow& row : rows) {
    QStringList names;
    if (row.recipe)
      for (const std::string& file : row.recipe->dataset) names << tails.at(file);
    row.data = names.join(QStringLiteral(", "));
  }
}

}  // namespace

std::vector<RunRow> read_runs(const std::filesystem::path& folder,
                              const std::vector<std::filesystem::path>& imported) {
  std::vector<RunRow> rows;
  const std::vector<RunSummary> listed = list_runs(folder);
  std::vector<std::optional<RunParent>> parents;
  for (const RunSummary& summary : listed) parents.push_back(read_run_parent(summary.path));
  for (const TreePlace& place : run_tree(listed, parents)) {
    RunRow row;
    row.summary = listed[place.run];
    row.parent = parents[place.run];
    row.depth = place.depth;
    if (auto notes = read_run_notes(row.summary.path)) row.notes = notes.take();
    if (const auto run = RunFolder::open(row.summary.path)) {
      if (const auto yaml = run->read_recipe_yaml()) {
        if (auto recipe = parse_recipe(*yaml, (row.summary.path / "recipe.yaml").string()))
          row.recipe = recipe.take();
      }
    }
    const bool going = row.summary.active || row.summary.manifest.state == RunState::Interrupted;
    if (going && row.summary.problem.empty())
      if (const auto line = newest_line(row.summary.path);
          line && line->step > row.summary.manifest.step)
        take_over(*line, row.summary.manifest);
    rows.push_back(std::move(row));
  }
  for (const std::filesystem::path& path : imported) {
    RunRow row;
    row.foreign = true;
    row.summary.path = path;
    if (const auto run = read_foreign_run(path)) {
      row.summary.name = run->name;
      row.summary.manifest.state = RunState::Finished;
      for (const MetricsLine& line : run->lines) {
        if (std::isfinite(line.loss)) take_over(line, row.summary.manifest);
        row.summary.manifest.step = line.step;
      }
    } else {
      row.summary.name = path.filename().string();
      row.summary.problem = run.error().sentence();
    }
    rows.push_back(std::move(row));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].tree_place = static_cast<int>(i);
  name_data(rows);
  return rows;
}

void RunListModel::set_rows(std::vector<RunRow> rows) {
  beginResetModel();
  for (RunRow& row : rows)
    row.ticked = std::any_of(rows_.begin(), rows_.end(), [&](const RunRow& old) {
      return old.ticked && old.summary.path == row.summary.path;
    });
  rows_ = std::move(rows);
  endResetModel();
}

bool RunListModel::show_step(const std::filesystem::path& run, const MetricsLine& line) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].summary.path.lexically_normal() != run.lexically_normal()) continue;
    if (rows_[i].summary.manifest.step == line.step) return false;
    take_over(line, rows_[i].summary.manifest);
    const int row = static_cast<int>(i);
    emit dataChanged(index(row, Steps), index(row, Memory));
    return true;
  }
  return false;
}

bool RunListModel::any_active() const {
  return std::any_of(rows_.begin(), rows_.end(),
                     [](const RunRow& row) { return row.summary.active; });
}

void RunListModel::set_ticked(int row, bool ticked) {
  if (row < 0 || row >= rowCount() || rows_[static_cast<std::size_t>(row)].ticked == ticked) return;
  rows_[static_cast<std::size_t>(row)].ticked = ticked;
  // Colours go by the order of ticked runs: all of them may have moved.
  emit dataChanged(index(0, 0), index(rowCount() - 1, 0));
  emit ticks_changed();
}

std::vector<int> RunListModel::ticked_rows() const {
  std::vector<int> ticked;
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (rows_[i].ticked) ticked.push_back(static_cast<int>(i));
  return ticked;
}

void RunListModel::set_ticks(const std::vector<int>& rows) {
  std::vector<bool> wanted(rows_.size(), false);
  for (const int row : rows)
    if (row >= 0 && row < rowCount()) wanted[static_cast<std::size_t>(row)] = true;
  for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i].ticked = wanted[i];
  if (rows_.empty()) return;
  emit dataChanged(index(0, 0), index(rowCount() - 1, 0));
  emit ticks_changed();
}

void RunListModel::set_notes(const std::filesystem::path& run, const RunNotes& notes) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].summary.path != run) continue;
    rows_[i].notes = notes;
    emit dataChanged(index(static_cast<int>(i), 0), index(static_cast<int>(i), ColumnCount - 1));
  }
}

void RunListModel::set_tree(bool tree) {
  tree_ = tree;
  if (!rows_.empty()) emit dataChanged(index(0, 0), index(rowCount() - 1, 0));
}

void RunListModel::retranslate() {
  emit headerDataChanged(Qt::Horizontal, 0, ColumnCount - 1);
  if (!rows_.empty()) emit dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

int RunListModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}
int RunListModel::columnCount(const QModelIndex&) const { return ColumnCount; }

QString RunListModel::text(const RunRow& row, int column) const {
  const RunManifest& m = row.summary.manifest;
  switch (column) {
    case Name: {
      const QString name = QString::fromStdString(row.summary.name);
      if (!tree_ || row.depth == 0) return name;
      return QString(3 * (row.depth - 1), QLatin1Char(' ')) + QStringLiteral("↳ ") + name;
    }
    case Tags: return QString::fromStdString(tags_text(row.notes.tags));
    case State:
      if (row.foreign && row.summary.problem.empty()) return tr("imported");
      return !row.summary.problem.empty() ? tr("cannot be read")
                                          : state_text(run_state_name(m.state));
    case Base: return m.model.empty() ? QString::fromStdString(m.base_name) : model_name(m.model);
    case Method: {
      if (!row.recipe || row.recipe->objective == Recipe().objective)
        return recipe_text(m.strategy);
      return QString::fromStdString(m.strategy + ", " + row.recipe->objective);
    }
    case Data: return row.data;
    case Steps:
      if (row.foreign) return m.step > 0 ? QString::number(m.step) : QString();
      return m.total_steps > 0 ? QStringLiteral("%1/%2").arg(m.step).arg(m.total_steps) : QString();
    case Loss: return m.last_loss ? number_text(*m.last_loss) : QString();
    case BestEval: return m.best_eval_loss ? number_text(*m.best_eval_loss) : QString();
    case Memory: return m.peak_memory > 0 ? bytes_text(m.peak_memory) : QString();
    case When: {
      const QDateTime time =
          QDateTime::fromString(QString::fromStdString(m.started), Qt::ISODateWithMs).toLocalTime();
      return time.isValid() ? time.toString(QStringLiteral("yyyy-MM-dd HH:mm")) : QString();
    }
    default: return {};
  }
}

QVariant RunListModel::sort_value(const RunRow& row, int column) const {
  const RunManifest& m = row.summary.manifest;
  // What has no figure comes after all that have one.
  const auto figure = [](const std::optional<double>& value) {
    return value && std::isfinite(*value) ? *value : std::numeric_limits<double>::max();
  };
  switch (column) {
    case Name: return QString::fromStdString(row.summary.name);
    case Steps: return QVariant::fromValue<qlonglong>(m.step);
    case Loss: return figure(m.last_loss);
    case BestEval: return figure(m.best_eval_loss);
    case Memory: return QVariant::fromValue<qlonglong>(m.peak_memory);
    case When: return QString::fromStdString(m.started);
    default: return text(row, column);
  }
}

QVariant RunListModel::data(const QModelIndex& index, int role) const {
  const RunRow& row = rows_[static_cast<std::size_t>(index.row())];
  if (role == SortRole) return sort_value(row, index.column());
  if (role == TreeRole) return row.tree_place;
  if (role == SearchRole) {
    QStringList all{QString::fromStdString(row.notes.note)};
    for (int column = 0; column < ColumnCount; ++column) all << text(row, column);
    return all.join(QLatin1Char('\n'));
  }
  const bool figure = index.column() >= Steps && index.column() <= Memory;
  if (role == Qt::DisplayRole) return text(row, index.column());
  if (role == Qt::EditRole)
    return index.column() == Name ? path_text(row.summary.path.filename())
                                  : text(row, index.column());
  if (role == Qt::TextAlignmentRole && figure) return QVariant(Qt::AlignRight | Qt::AlignVCenter);
  if (index.column() == Name && role == Qt::CheckStateRole)
    return row.ticked ? Qt::Checked : Qt::Unchecked;
  if (index.column() == Name && role == Qt::DecorationRole && row.ticked) {
    const std::vector<int> ticked = ticked_rows();
    const auto place = static_cast<std::size_t>(
        std::find(ticked.begin(), ticked.end(), index.row()) - ticked.begin());
    QPixmap swatch(12, 12);
    swatch.fill(colours().series[place % colours().series.size()]);
    return swatch;
  }
  if (index.column() == State && role == Qt::DecorationRole &&
      (!row.summary.problem.empty() || row.summary.manifest.state == RunState::Failed))
    return themed_icon(QStringLiteral("warning"), colours().warning);
  if (role == Qt::ToolTipRole) {
    QStringList lines{path_text(row.summary.path)};
    if (row.recipe)
      for (const std::string& file : row.recipe->dataset)
        lines << tr("Data: %1").arg(QString::fromStdString(file));
    if (row.parent)
      lines << (row.parent->carried ? tr("Forked from step %1 of %2, its optimizer carried on")
                                    : tr("Forked from step %1 of %2, its weights alone"))
                   .arg(row.parent->step)
                   .arg(path_text(row.parent->run));
    if (!row.notes.note.empty()) lines << QString::fromStdString(row.notes.note);
    for (const std::string* more : {&row.summary.problem, &row.summary.manifest.error})
      if (!more->empty()) lines << said_text(*more);
    return lines.join(QLatin1Char('\n'));
  }
  return {};
}

bool RunListModel::setData(const QModelIndex& index, const QVariant& value, int role) {
  if (role == Qt::EditRole) {
    const RunRow& row = rows_[static_cast<std::size_t>(index.row())];
    const QString typed = value.toString().trimmed();
    if (typed == data(index, Qt::EditRole).toString()) return false;
    // The row changes once the folder has.
    if (index.column() == Name && !typed.isEmpty()) emit rename_asked(row.summary.path, typed);
    if (index.column() == Tags) emit tags_asked(row.summary.path, typed);
    return false;
  }
  if (role != Qt::CheckStateRole || index.column() != Name) return false;
  set_ticked(index.row(), value.toInt() == Qt::Checked);
  return true;
}

QVariant RunListModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole)
    return QVariant((section >= Steps && section <= Memory ? Qt::AlignRight : Qt::AlignLeft) |
                    Qt::AlignVCenter);
  if (role != Qt::DisplayRole) return {};
  switch (section) {
    case Name: return tr("Run");
    case State: return tr("State");
    case Base: return tr("Base");
    case Method: return tr("Method");
    case Data: return tr("Data");
    case Steps: return tr("Steps");
    case Loss: return tr("Last loss");
    case BestEval: return tr("Best evaluation");
    case Memory: return tr("Peak memory");
    case When: return tr("Started");
    case Tags: return tr("Tags");
    default: return {};
  }
}

Qt::ItemFlags RunListModel::flags(const QModelIndex& index) const {
  Qt::ItemFlags flags = Qt::ItemIsEnabled | Qt::ItemIsSelectable;
  if (index.column() == Name) flags |= Qt::ItemIsUserCheckable;
  const RunRow& row = rows_[static_cast<std::size_t>(index.row())];
  const bool renamed = index.column() == Name && !row.summary.active;
  if (!row.foreign && (renamed || index.column() == Tags)) flags |= Qt::ItemIsEditable;
  return flags;
}

}  // namespace luthier
