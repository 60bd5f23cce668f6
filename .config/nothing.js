/** Stands for a package that is never reached: see bundle.js. */
export default undefined;
