// SPDX-License-Identifier: GPL-3.0-or-later
// Writing the curves.
#include "ui/train/curve_export.h"

#include <QCoreApplication>
#include <QFileDialog>
#include <QPainter>
#include <QSaveFile>
#include <QTextStream>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "ui/background.h"
#include "ui/theme.h"
#include "ui/train/curve_plot.h"
#include "ui/widgets/banner.h"

namespace luthier {

namespace {

QString ask_file(QWidget* parent, const QString& suggestion, const QString& filter) {
  return QFileDialog::getSaveFileName(
      parent, QCoreApplication::translate("CurveExport", "Export the curves"), suggestion, filter);
}

void say_failure(QWidget* parent, const QString& file, const QString& why) {
  // The nearest banner of the page says it; an export is always started from a page.
  for (QWidget* widget = parent; widget; widget = widget->parentWidget()) {
    if (auto* banner =
            widget->findChild<Banner*>(QStringLiteral("banner"), Qt::FindDirectChildrenOnly)) {
      banner->show_text(Banner::Kind::Error,
                        QCoreApplication::translate(
                            "CurveExport", "%1 could not be written: %2. Choose another folder.")
                            .arg(file, why));
      return;
    }
  }
}

}  // namespace

void export_curves_png(QWidget* parent, QWidget* area) {
  const QString file =
      ask_file(parent, QStringLiteral("curves.png"), QStringLiteral("PNG (*.png)"));
  if (file.isEmpty()) return;
  constexpr double kScale = 2;
  QPixmap pixmap(area->size() * kScale);
  pixmap.setDevicePixelRatio(kScale);
  pixmap.fill(colours().window);
  area->render(&pixmap);
  in_background_of(
      parent, [picture = pixmap.toImage(), file] { return picture.save(file, "PNG"); },
      [parent, file](bool saved) {
        if (!saved)
          say_failure(
              parent, file,
              QCoreApplication::translate("CurveExport", "the file cannot be opened for writing"));
      });
}

QString curves_csv(const std::vector<RunSeries>& series) {
  QString text;
  QTextStream out(&text);
  out.setRealNumberPrecision(10);
  out << "run,step,epoch,loss,eval_loss,grad_norm,learning_rate,tokens,tokens_per_second,weights,"
         "adapter,gradients,optimizer,activations,allocated,peak";
  std::set<std::string> figures;  // of every run, by the names that its objective gave
  for (const RunSeries& run : series)
    for (const auto& [name, figure] : run.lines.figures) figures.insert(name);
  for (const std::string& name : figures) out << ',' << QString::fromStdString(name);
  out << '\n';
  const auto whole = [](double value) { return static_cast<qint64>(value); };
  for (const RunSeries& run : series) {
    QString name = run.name;
    name.replace(QLatin1Char('"'), QStringLiteral("\"\""));
    const RunLines& l = run.lines;
    std::map<std::string, qsizetype> next;  // of each figure, the value that has not been written
    for (qsizetype i = 0; i < l.step.size(); ++i) {
      const auto evaluation = run.evaluations.find(whole(l.step[i]));
      out << '"' << name << "\"," << whole(l.step[i]) << ',' << l.epoch[i] << ',' << l.loss[i]
          << ',';
      if (evaluation != run.evaluations.end()) out << evaluation->second;
      out << ',' << l.grad_norm[i] << ',' << l.learning_rate[i] << ',' << whole(l.tokens[i]) << ','
          << l.tokens_per_second[i];
      for (const QVector<double>* part : {&l.weights, &l.adapter, &l.gradients, &l.optimizer,
                                          &l.activations, &l.allocated, &l.peak})
        out << ',' << whole((*part)[i]);
      for (const std::string& each : figures) {
        out << ',';
        const auto found = l.figures.find(each);
        qsizetype& at = next[each];
        if (found == l.figures.end() || at >= found->second.at.size() || found->second.at[at] != i)
          continue;
        out << found->second.values[at++];
      }
      out << '\n';
    }
  }
  return text;
}

void export_curves_csv(QWidget* parent, const std::vector<RunSeries>& series) {
  const QString file =
      ask_file(parent, QStringLiteral("curves.csv"), QStringLiteral("CSV (*.csv)"));
  if (file.isEmpty()) return;
  // A long run is a long table.
  in_background_of(
      parent,
      [series, file]() -> std::optional<QString> {
        QSaveFile out(file);
        const QByteArray bytes = curves_csv(series).toUtf8();
        if (out.open(QIODevice::WriteOnly) && out.write(bytes) == bytes.size() && out.commit())
          return std::nullopt;
        return out.errorString();
      },
      [parent, file](const std::optional<QString>& fault) {
        if (fault) say_failure(parent, file, *fault);
      });
}

}  // namespace luthier
