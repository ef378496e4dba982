// Jest on Node 20 cannot `require` a package that is an ES module, as Node itself can: Node is asked.
const { createRequire } = process.getBuiltinModule("node:module");
module.exports = createRequire(__filename)("content-disposition");
